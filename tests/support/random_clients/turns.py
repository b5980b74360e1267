"""Turns of a caller: drafts, final words, orders, tools of the client."""

import json

from voicegraph.nodes.testing import ScriptedCall

from .call import Call, user
from .model import Plan
from .ways import asking_again, held, listening, release, speaking_over_an_order, ways

GRACE = 1.5
"""Seconds in which a request may still turn out to be a draft: the server's `speculative_grace`."""


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
    if orders and call.kind.keeps_history and call.kind.streams and dice.random() < 0.2:
        await speaking_over_an_order(call, order(call, words, firm=False), words)
    elif orders:
        call.orders.append(words)
        await dice.choice([listening, asking_again])(call, order(call, words), words)
    elif call.has_tools and dice.random() < 0.3:
        await with_own_tool(call, words)
    else:
        await dice.choice(ways(call))(call, Plan(text=call.words.reply()), words)
    await call.end(still_open)


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
        plan = order(call, "", firm=False) if orders else Plan(text=call.words.reply())
        size = 1 if orders else dice.choice([held(call, plan), None])
        if size is None:
            release(plan)
        await call.send(call.body(plan, user(draft)), leave_after=size)
        call.check(plan, draft)
        call.note("  a draft")
        await call.phone.time.sleep(dice.uniform(2, 6) if slow else dice.uniform(0.05, 0.4))


def order(call: Call, words: str, *, firm: bool = True) -> Plan:
    """Return a plan with a tool that changes something; it waits until the request is no draft."""

    def wait() -> None:
        call.phone.time.pass_by(GRACE if firm else 0)

    arguments = json.dumps({"pre_exec_msg": "I'm booking it.", "order": words})
    made = ScriptedCall(name="book", arguments=arguments)
    return Plan(text="It is booked.", call=made, on_call=wait, whole=True)


async def farewell(call: Call) -> None:
    """Let the caller say goodbye, and hear the answer."""
    await listening(call, Plan(text="Goodbye.", whole=True), call.words.farewell())
