"""A worker in the background: woken, it runs until nothing is left, and tries again what failed."""

import asyncio
from collections.abc import Callable

from hold import Hold

from voicegraph.graph.background.worker import Worker


class Work:
    """Counts its runs; the first `errors` of them fail, and `more` runs ask for another one."""

    def __init__(self, errors: int = 0, more: int = 0, *, retried: bool = True) -> None:
        self.runs, self.pauses, self.held = 0, list[float](), Hold()
        self._errors, self._more, self._retried = errors, more, retried
        self.held.set()

    async def run(self) -> bool:
        self.runs += 1
        await self.held.wait()
        if self.runs <= self._errors:
            raise ConnectionError
        self._more -= 1
        return self._more >= 0

    def failed(self, error: Exception, pause: float) -> bool:
        self.pauses.append(pause)
        return self._retried

    def worker(self, pauses: tuple[float, float] = (0.0, 0.0)) -> Worker:
        return Worker(self.run, self.failed, pauses=pauses)


async def until(done: Callable[[], bool]) -> None:
    while not done():
        await asyncio.sleep(0)


async def test_it_runs_once_for_several_wakes() -> None:
    work = Work()
    worker = work.worker()
    for _ in range(3):
        worker.wake()
    await until(lambda: not worker.is_running)
    assert work.runs == 1


async def test_what_comes_during_a_run_takes_one_more() -> None:
    work = Work()
    work.held.clear()
    worker = work.worker()
    worker.wake()
    await work.held.reached.wait()
    for _ in range(3):
        worker.wake()
    work.held.set()
    await until(lambda: not worker.is_running)
    assert work.runs == 2


async def test_it_runs_until_nothing_is_left() -> None:
    work = Work(more=3)
    worker = work.worker()
    worker.wake()
    await until(lambda: not worker.is_running)
    assert work.runs == 4


async def test_a_failure_is_tried_again_after_growing_pauses() -> None:
    work = Work(errors=4)
    worker = work.worker(pauses=(1e-6, 3e-6))
    worker.wake()
    await until(lambda: not worker.is_running)
    assert work.runs == 5
    assert work.pauses == [1e-6, 2e-6, 3e-6, 3e-6]


async def test_a_failure_that_is_not_tried_again_ends_the_task_and_a_later_wake_starts_one() -> None:
    work = Work(errors=1, retried=False)
    worker = work.worker()
    for runs in (1, 2):
        worker.wake()
        await until(lambda: not worker.is_running)
        assert work.runs == runs


async def test_closing_stops_it_in_the_middle_of_its_work() -> None:
    work = Work()
    work.held.clear()
    worker = work.worker()
    await worker.close()
    worker.wake()
    await work.held.reached.wait()
    await worker.close()
    assert not worker.is_running
    assert work.runs == 1
