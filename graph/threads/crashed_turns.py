"""Turns that a crash cut off: their messages are recorded, and added to the window before the next turn."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress

from ...state.conversations.crash_records import record_left
from ...state.conversations.journaled_turn import JournaledTurn
from ...state.errors import StorageError
from .journaling import Journaling
from .owner import ThreadOwner
from .running import Threads

LOOK_SECONDS = 10.0
"""Seconds between checks for turns that other processes left: one or two queries, for any number of turns."""


class CrashedTurns:
    """Finds turns whose process has died, and records their messages."""

    def __init__(self, journaling: Journaling, threads: Threads, owner: ThreadOwner) -> None:
        self.recorded = 0
        """Number of turns that this process has recorded."""
        self._journaling, self._threads, self._owner = journaling, threads, owner
        self._looking: asyncio.Task[None] | None = None
        self._tell: Callable[[int], object] = lambda _: None

    def tell(self, tell: Callable[[int], object]) -> None:
        """Call `tell` with the number of recorded turns, now and after each recording."""
        self._tell = tell
        tell(self.recorded)

    def start(self, index: Callable[[], object]) -> None:
        """Check now, and every ten seconds; `index` is called after messages were recorded."""
        self._looking = asyncio.create_task(self._look(index))

    async def close(self) -> None:
        """Stop checking."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait({self._looking})

    async def record(self) -> int:
        """Record the messages of all turns that a crash cut off; return the number of turns.

        Raises `StorageError`.
        """
        await self._journaling.flush()
        recorded = await record_left(self._journaling.journal, self._going_on)
        self.recorded += recorded
        self._tell(recorded)
        return recorded

    async def _look(self, index: Callable[[], object]) -> None:
        while True:
            with suppress(StorageError):
                if await self.record():
                    index()
            await asyncio.sleep(LOOK_SECONDS)

    async def _going_on(self, turns: Sequence[JournaledTurn]) -> Collection[JournaledTurn]:
        running = [turn for turn in turns if self._threads.running(turn.thread_id) is not None]
        return [*running, *await self._owner.running(turns)]
