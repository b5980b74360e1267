"""Stop a running turn, and record what the caller had heard by then."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Interruption:
    """The stop signal of one run; the steps race it against their work."""

    event: asyncio.Event = field(default_factory=asyncio.Event)
    heard: str | None = None
    """What the caller heard of the reply; `None` if unknown, then everything sent counts as heard."""
    dropped: bool = False
    """True if the listener left or a newer turn came, without a report of what was heard."""

    @property
    def requested(self) -> bool:
        """True once a stop has been requested."""
        return self.event.is_set()

    def request(self, heard: str | None = None) -> None:
        """Request the turn to stop; `heard` is the text that the caller heard of its reply."""
        if heard is not None:
            self.heard = heard
        self.dropped = False
        self.event.set()

    def drop(self) -> None:
        """Request the turn to stop because it has no listener any more."""
        self.dropped = self.dropped or not self.requested
        self.event.set()

    async def race(self, work: Coroutine[Any, Any, None]) -> bool:
        """Run `work` until it ends or a stop is requested; return whether it ended by itself.

        Stopped work is cancelled and awaited. Errors of `work` propagate.
        """
        if self.requested:
            work.close()
            return False
        task = asyncio.ensure_future(work)
        stopped = asyncio.ensure_future(self.event.wait())
        try:
            await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            ended = task.done()
            if not ended:
                task.cancel()
                await asyncio.wait({task})
        if not ended and (task.cancelled() or task.exception() is not None):
            return False
        task.result()
        return True
