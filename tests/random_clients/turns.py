"""Ways in which a turn goes: the caller listens, speaks over the reply, or the client asks again."""

import asyncio
import json
from collections.abc import Awaitable, Callable

from voicegraph.nodes.testing import ScriptedCall

from .call import Call, user
from .model import Plan
from .side_calls import side_call
from .wire import Answer

GRACE = 1.5
"""Seconds in which a request may still turn out to be a draft: the server's `speculative_grace`."""

Way = Callable[[Call, Plan, str], Awaitable[None]]


async def turn(call: Call) -> None:
    """Let the caller say something and hear some of the reply."""
    dice, call.open, still_open = call.dice, [], call.open
    orders = dice.random() < 0.2
    words = call.words.order() if orders else call.words.said()
    if not call.kind.keeps_history and words == call.last_words and not (call.has_heard and call.turns > 1):
        return  # The same words alone may be the same request: after the first turn, or a reply that was cut.
    call.turns += 1
    call.last_words = words
    await drafts(call, words, orders=orders)
    if orders:
        call.orders.append(words)
        await dice.choice([listening, asking_again])(call, order(call, words), words)
    elif call.has_tools and dice.random() < 0.3:
        await with_own_tool(call, words)
    else:
        await dice.choice(ways(call))(call, Plan(text=call.words.reply()), words)
    await call.end(still_open)


def ways(call: Call) -> list[Way]:
    """Return the ways that the client knows."""
    found: list[Way] = [listening, listening, speaking_over, speaking_over]
    if call.kind.retries:
        found += [asking_again, asking_again]
    found.append(leaving_it_open if call.kind.keeps_history else reporting_at_once)
    if call.named:  # Without a name the same words at once may be those of two callers.
        found += [asking_twice_at_once, *([asking_something_else] if call.history else [])]
    return found


async def listening(call: Call, plan: Plan, words: str) -> None:
    """Read all of the reply, and hear some of it."""
    answer = await call.send(call.body(plan, user(words)))
    call.check(plan, words)
    await call.hear(answer, words, None if plan.whole else call.some(answer))


async def speaking_over(call: Call, plan: Plan, words: str) -> None:
    """Leave in the middle of the reply, or before its first word."""
    answer = await call.send(call.body(plan, user(words)), leave_after=held(call, plan))
    call.check(plan, words)
    await call.hear(answer, words, call.some(answer))
    call.has_heard = call.has_heard and (call.kind.keeps_history or call.is_confirmed)


async def asking_again(call: Call, plan: Plan, words: str) -> None:
    """Send the same body again and again, as if a proxy had failed each time but the last."""
    body = call.body(plan, user(words))
    for pause in call.kind.retries[: call.dice.randint(1, 3)]:
        await call.send(body, leave_after=call.dice.choice([None, None, 0]))
        await call.phone.time.sleep(pause)
    answer = await call.send(body)
    call.check(plan, words)
    await call.hear(answer, words, None if plan.whole else call.some(answer))


async def asking_twice_at_once(call: Call, plan: Plan, words: str) -> None:
    """Send the same body again while the reply comes; perhaps the first client leaves."""
    size = held(call, plan)
    body, first, second = call.body(plan, user(words)), Answer(), Answer()
    sending = asyncio.create_task(call.send(body, first))
    await first.until(size)
    again = asyncio.create_task(call.send(body, second))
    await second.until(0)
    if call.dice.random() < 0.5:
        first.left.set()
    release(plan)
    await asyncio.gather(sending, again)
    assert len(plan.prompts) == 1
    call.check(plan, words)
    await call.hear(second, words, call.some(second))


async def leaving_it_open(call: Call, plan: Plan, words: str) -> None:
    """Speak over the reply, while the connection stays as it is until the next words have come."""
    size, answer = held(call, plan), Answer()
    call.open.append((answer, asyncio.create_task(call.send(call.body(plan, user(words)), answer))))
    await answer.until(size)
    call.check(plan, words)
    await call.hear(answer, words, call.dice.randint(0, len(answer.pieces)))


async def reporting_at_once(call: Call, plan: Plan, words: str) -> None:
    """Report what was heard of a reply while it still comes."""
    size, answer = held(call, plan), Answer()
    sending = asyncio.create_task(call.send(call.body(plan, user(words)), answer))
    await answer.until(size)
    call.check(plan, words)
    await call.hear(answer, words, call.dice.randint(0, size), report=True)
    await sending


async def asking_something_else(call: Call, plan: Plan, words: str) -> None:
    """Make a side call while the reply comes."""
    size, answer = held(call, plan), Answer()
    sending = asyncio.create_task(call.send(call.body(plan, user(words)), answer))
    await answer.until(size)
    await side_call(call)
    release(plan)
    await sending
    call.check(plan, words)
    await call.hear(answer, words, call.some(answer))


async def with_own_tool(call: Call, words: str) -> None:
    """Run a tool of the client, and bring its result with the next request."""
    plan = Plan(text="", call=ScriptedCall(name="lamp", arguments="{}"), preamble="I switch it on.")
    answer = await call.send(call.body(plan, user(words)))
    call.check(plan, words)
    await call.hear(answer, words, None)
    [made] = answer.calls
    made = {name: value for name, value in made.items() if name != "index"}
    call.history += [
        {"role": "assistant", "content": None, "tool_calls": [made]},
        {"role": "tool", "tool_call_id": made["id"], "content": "done"},
    ]
    plan = Plan(text=call.words.reply())
    body = call.body(plan)
    if call.kind.retries and call.dice.random() < 0.3:
        await call.send(body)
        await call.phone.time.sleep(call.kind.retries[0])
    answer = await call.send(body)
    call.check(plan)
    await call.hear(answer, None, call.some(answer))


async def drafts(call: Call, words: str, *, orders: bool) -> None:
    """Make requests before the words are final; what comes of them nobody hears."""
    dice, count = call.dice, call.dice.randint(0, call.kind.drafts)
    first = not call.history and not call.truth.items()
    # Without a history only words that go on tell a draft from a turn, and only at once.
    close = call.named and (first or not call.kind.keeps_history)
    slow = not (orders or close) and dice.random() < 0.2
    for draft in call.words.drafts(words, count if dice.random() < 0.6 else 0, related=close):
        plan, answer = order(call, "") if orders else Plan(text=call.words.reply()), Answer()
        plan.on_call = lambda: None
        size = 1 if orders else dice.choice([held(call, plan), None])
        if size is None:
            release(plan)
        sending = call.send(call.body(plan, user(draft)), answer, size)
        await sending
        call.check(plan, draft)
        call.note("  a draft")
        await call.phone.time.sleep(dice.uniform(2, 6) if slow else dice.uniform(0.05, 0.4))


def order(call: Call, words: str) -> Plan:
    """Return a plan with a tool that changes something; the caller waits until the request is no draft."""
    arguments = json.dumps({"pre_exec_msg": "I'm booking it.", "order": words})
    made = ScriptedCall(name="book", arguments=arguments)
    return Plan(text="It is booked.", call=made, on_call=lambda: call.phone.time.pass_by(GRACE), whole=True)


async def farewell(call: Call) -> None:
    """Let the caller say goodbye, and hear the answer."""
    await listening(call, Plan(text="Goodbye.", whole=True), call.words.farewell())


def held(call: Call, plan: Plan) -> int:
    """Let the reply wait after some of its pieces; return after how many."""
    plan.hold, plan.hold_after = asyncio.Event(), call.dice.randint(0, len(plan.text.split()))
    return plan.hold_after


def release(plan: Plan) -> None:
    """Let the reply go on."""
    if plan.hold is not None:
        plan.hold.set()
