"""Ways in which a request goes: the caller listens, speaks over the reply, or the client asks again."""

import asyncio
from collections.abc import Awaitable, Callable

from .call import Call, user
from .model import Plan
from .side_calls import side_call
from .wire import Answer

Way = Callable[[Call, Plan, str], Awaitable[None]]


def ways(call: Call) -> list[Way]:
    """Return the ways that the client knows."""
    found: list[Way] = [listening, listening]
    if call.kind.retries:
        found += [asking_again, asking_again]
    if not call.kind.streams:
        return found
    found += [speaking_over, speaking_over]
    found.append(leaving_it_open if call.kind.keeps_history else reporting_at_once)
    if call.named:  # Without a name the same words at once may be those of two callers.
        found += [asking_twice_at_once, asking_something_else]
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


async def speaking_over_an_order(call: Call, plan: Plan, words: str) -> None:
    """Leave before the first word of the announcement is heard: the order is not carried out."""
    answer = await call.send(call.body(plan, user(words)), leave_after=1)
    call.check(plan, words)
    await call.hear(answer, words, 0)


async def asking_again(call: Call, plan: Plan, words: str) -> None:
    """Send the same body again and again, as if a proxy had failed each time but the last."""
    body = call.body(plan, user(words))
    for pause in call.kind.retries[: call.dice.randint(1, 3)]:
        await call.send(body, leave_after=0 if call.kind.streams and call.dice.random() < 0.3 else None)
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
    assert len(plan.prompts) == 1 or not plan.text  # An empty reply is asked for again.
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


def held(call: Call, plan: Plan) -> int:
    """Let the reply wait after some of its pieces; return after how many."""
    plan.hold, plan.hold_after = asyncio.Event(), call.dice.randint(0, len(plan.text.split()))
    return plan.hold_after


def release(plan: Plan) -> None:
    """Let the reply go on."""
    if plan.hold is not None:
        plan.hold.set()
