"""What clients do between two turns: they speak first, shorten their histories, hand over, call again."""

from collections.abc import Awaitable, Callable

from voicegraph.nodes.testing import ScriptedCall

from .call import Call, user
from .kinds import OTHER_PROMPT
from .model import Plan
from .side_calls import side_call
from .turns import farewell
from .words import AFTER_SILENCE, GREETINGS, TAKING_OVER

Event = Callable[[Call], Awaitable[None]]


async def begin(call: Call) -> None:
    """Greet the caller, or leave it to the caller to begin; perhaps a detector listens first."""
    if call.named and call.dice.random() < 0.1:
        await side_call(call)
    if call.is_greeted_by_client:
        greet(call)
    elif call.kind.lets_greet and call.dice.random() < 0.6:
        await speak_first(call)


async def between(call: Call) -> None:
    """Let time pass, and something happen."""
    # Of newest words alone, like words at once are a draft and its correction, unless something was heard.
    at_once = [0.3] if call.kind.keeps_history or call.is_confirmed else []
    await call.phone.time.sleep(call.dice.choice([*at_once, 2.0, 8.0, 20.0, 45.0, 400.0]))
    happenings: list[Event] = [nothing] * 6
    if call.named:
        happenings += [side_call, side_call]
    if call.kind.lets_greet:
        happenings.append(speak_first)
    if call.kind.shortens and len(call.history) > 4:
        happenings += [shorten, shorten]
    if call.kind.hands_over:
        happenings.append(hand_over)
    if call.kind.keeps_history and call.named and not call.is_split:
        # To a thread that does not know the call a summary is what the caller said.
        happenings += [call_again, *([] if call.kind.shortens else [ask_another_agent])]
    await call.dice.choice(happenings)(call)


async def nothing(call: Call) -> None:
    """Do nothing."""


def greet(call: Call) -> None:
    """Say a greeting of the client."""
    greeting = call.dice.choice(GREETINGS)
    call.truth.heard(greeting)
    call.history.append({"role": "assistant", "content": greeting})


async def speak_first(call: Call) -> None:
    """Ask for words without words of the caller: a greeting, or a question after a silence."""
    begins = not call.history
    # What the client itself greets with would be taken for this greeting, when it calls again.
    greetings = [TAKING_OVER] if call.is_greeted_by_client else GREETINGS
    plan = Plan(text=call.dice.choice(greetings) if begins else AFTER_SILENCE)
    note = {"role": "system", "content": "Greet the caller." if begins else "Ask if the caller is there."}
    answer = await call.send(call.body(plan, *([] if begins and call.prompt else [note])))
    call.check(plan)
    await call.hear(answer, None, None if begins else call.some(answer))


async def shorten(call: Call) -> None:
    """Forget the beginning, or sum it up."""
    keep = call.dice.randint(1, 4)
    begin = len(call.history) - keep
    while begin < len(call.history) and (
        call.history[begin]["role"] == "tool" or not call.history[begin]["content"]
    ):
        begin += 1
    kept = call.history[begin:]
    if not kept:
        return
    if call.kind.shortens != "cuts":
        summary = call.kind.shortens.format("Somebody wants a table.")
        kept = [{"role": call.kind.summary_role, "content": summary}, *kept]
    call.history = kept


async def hand_over(call: Call) -> None:
    """Let another agent of the client take over, after a tool of the client that says so."""
    words = "I have a question about my invoice."
    tool = {"type": "function", "function": {"name": "transfer", "parameters": {"type": "object"}}}
    plan = Plan(text="", call=ScriptedCall(name="transfer", arguments="{}"), preamble="I'll put you through.")
    answer = await call.send({**call.body(plan, user(words)), "tools": [tool]})
    call.check(plan, words)
    await call.hear(answer, words, None)
    made = {name: value for name, value in answer.calls[0].items() if name != "index"}
    call.history += [
        {"role": "assistant", "content": None, "tool_calls": [made]},
        {"role": "tool", "tool_call_id": made["id"], "content": "done"},
    ]
    call.prompt = OTHER_PROMPT if call.prompt != OTHER_PROMPT else call.kind.prompt
    if call.dice.random() < 0.5:
        call.history = []
    if call.kind.lets_greet and call.dice.random() < 0.6:
        await speak_first(call)


async def ask_another_agent(call: Call) -> None:
    """Go on with another agent of the server, which has a thread of its own."""
    call.agent = "nina" if call.agent == "default" else "default"
    call.is_split = True


async def call_again(call: Call) -> None:
    """Hang up after a last word and call again later, on the same thread."""
    await farewell(call)
    await call.phone.time.sleep(call.dice.uniform(60, 4000))
    call.history = []
    await begin(call)
