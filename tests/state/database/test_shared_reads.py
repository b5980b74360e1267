"""Shared answers: who asks before the look begins gets its answer, who asks later gets a new one."""

import asyncio
from collections.abc import Callable

import pytest

from voicegraph.state.database.shared_reads import SharedReads


class Look:
    """A look that begins and ends when it is told to."""

    def __init__(self) -> None:
        self.count = 0
        self.begin = asyncio.Event()
        self.end = asyncio.Event()

    async def __call__(self, begin: Callable[[], None]) -> int:
        self.count += 1
        answer = self.count
        await self.begin.wait()
        begin()
        await self.end.wait()
        return answer


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_asks_before_the_look_shares_its_answer() -> None:
    answers, look = SharedReads[int](), Look()
    asking = [asyncio.create_task(answers.get("agent", look)) for _ in range(3)]
    await turns()
    look.begin.set()
    look.end.set()

    assert await asyncio.gather(*asking) == [1, 1, 1]


async def test_who_asks_after_the_look_has_begun_gets_a_new_one() -> None:
    answers, look = SharedReads[int](), Look()
    early = asyncio.create_task(answers.get("agent", look))
    look.begin.set()
    await turns()
    late = asyncio.create_task(answers.get("agent", look))
    await turns()
    look.end.set()

    assert [await early, await late] == [1, 2]


async def test_other_questions_have_answers_of_their_own() -> None:
    answers, look = SharedReads[int](), Look()
    look.begin.set()
    look.end.set()

    assert await asyncio.gather(answers.get("one", look), answers.get("other", look)) == [1, 2]


async def test_a_look_that_fails_before_it_begins_is_made_again() -> None:
    answers = SharedReads[int]()

    async def broken(begin: Callable[[], None]) -> int:
        raise OSError("away")

    with pytest.raises(OSError, match="away"):
        await answers.get("agent", broken)
    look = Look()
    look.begin.set()
    look.end.set()
    assert await answers.get("agent", look) == 1


async def test_who_is_cancelled_takes_the_answer_from_nobody() -> None:
    answers, look = SharedReads[int](), Look()
    leaving = asyncio.create_task(answers.get("agent", look))
    staying = asyncio.create_task(answers.get("agent", look))
    await turns()
    leaving.cancel()
    await turns()
    look.begin.set()
    look.end.set()

    assert await staying == 1
