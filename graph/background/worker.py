"""A worker in the background: woken when there is something to do, with retries."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from ...state.backoff import backoff

Start = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]


class Worker:
    """Runs `work` once at a time, in a task that ends when nothing is left to do.

    `work` returns true to run again. Each run comes `delay` seconds after it was asked for. If one raises,
    `failed` gets the error and the seconds until a retry, and returns whether there is one; these pauses
    double from the first of `pauses` to the second. `start` makes the task.
    """

    def __init__(
        self,
        work: Callable[[], Awaitable[bool]],
        failed: Callable[[Exception, float], bool],
        *,
        pauses: tuple[float, float],
        delay: float = 0.0,
        start: Start = asyncio.create_task,
    ) -> None:
        self._work, self._failed = work, failed
        self._pauses, self._delay, self._start = pauses, delay, start
        self._is_due = False
        self._task: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        """True while something is left to do."""
        return self._task is not None and not self._task.done()

    def wake(self) -> None:
        """Run the work, once more if it is running now; returns at once."""
        self._is_due = True
        if not self.is_running:
            self._task = self._start(self._run())

    async def close(self) -> None:
        """Stop at once."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _run(self) -> None:
        pauses, pause = backoff(*self._pauses), self._delay
        while self._is_due:
            await asyncio.sleep(pause)
            self._is_due = False
            try:
                again = await self._work()
                pauses, pause = backoff(*self._pauses), self._delay
            except Exception as error:  # Whatever it is, only this task does the work.
                pause = next(pauses)
                again = self._failed(error, pause)
            self._is_due = self._is_due or again
