"""Time that passes by itself: only the call whose time comes first goes on, the others stand still.

So a run of many calls is the same each time, and takes none of the time that its callers take.
"""

import asyncio
import heapq
from collections.abc import Coroutine, Sequence
from itertools import count
from typing import Any

BEGIN = 1_800_000_000.0


class Timeline:
    """The clock of the server, and the one that the callers wait by."""

    def __init__(self) -> None:
        self._now, self._numbers = BEGIN, count()
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []
        self._stands = asyncio.Event()

    def now(self) -> float:
        """Return the time of the call that goes on."""
        return self._now

    def pass_by(self, seconds: float) -> None:
        """Let time pass in the call that goes on; nobody else gets to do anything."""
        self._now += seconds

    async def sleep(self, seconds: float) -> None:
        """Wait, while other calls go on."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (self._now + seconds, next(self._numbers), future))
        self._stands.set()
        await future

    async def run(self, works: Sequence[Coroutine[Any, Any, None]]) -> None:
        """Run all works to their ends; each begins by a `sleep`. The first error ends all."""
        async with asyncio.TaskGroup() as group:
            for work in works:
                self._stands.clear()
                task = group.create_task(work)
                task.add_done_callback(lambda _: self._stands.set())
                await self._stands.wait()
            while self._waiting:
                self._now, _, future = heapq.heappop(self._waiting)
                self._stands.clear()
                future.set_result(None)
                await self._stands.wait()
