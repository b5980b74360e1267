"""How a running turn is told to stop, and what the caller had heard by then."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Interruption:
    """The stop signal of one run; the steps race it against whatever they wait for."""

    event: asyncio.Event = field(default_factory=asyncio.Event)
    heard: str | None = None
    """What the caller heard of the reply; `None` when nobody knows, then all that went out counts."""
    heard_applied: bool = False
    """True once the stored reply was cut to `heard`."""
    dropped: bool = False
    """True when the turn's listener left or a newer turn came, and nobody said that the caller heard it."""

    @property
    def requested(self) -> bool:
        """True once the turn was told to stop."""
        return self.event.is_set()

    def request(self, heard: str | None = None) -> None:
        """Tell the turn to stop; `heard` is the text that the caller heard of its reply."""
        if heard is not None:
            self.heard = heard
        self.dropped = False
        self.event.set()

    def drop(self) -> None:
        """Tell the turn to stop, because nobody listens to it any more."""
        self.dropped = self.dropped or not self.requested
        self.event.set()

    async def race(self, work: Coroutine[Any, Any, None]) -> bool:
        """Run `work` until it ends or the turn is told to stop; return true when it ended by itself.

        Stopped work is cancelled and has unwound on return. Errors of `work` are raised here.
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
