"""How long a turn's writes are retried, and when its old checkpoints are deleted."""

import logging
import time
from collections.abc import Callable

from ...nodes.context import Context
from ...state.agents.thread_keys import thread_name
from ...state.checkpoints.checkpointer import Checkpointer
from ...state.errors import StorageError
from ..settings import Settings
from .running import Threads, TurnRun

log = logging.getLogger(__name__)

_BEFORE_A_WORD = 2.0
"""Maximum seconds of retrying to store before the first word of an answer; then an apology is spoken."""
_WAITED_FOR = 5.0
"""The same while a newer turn of the thread waits, whose caller hears at most a filler."""


class TurnStorage:
    """The checkpointer of a process, and its patience with a database that is unreachable or locked."""

    def __init__(self, checkpointer: Checkpointer, threads: Threads, settings: Settings) -> None:
        self.checkpointer = checkpointer
        self._threads, self._settings = threads, settings
        self._until = float("inf")

    def end_in(self, seconds: float) -> None:
        """Stop retrying `seconds` from now, because the process ends."""
        self._until = time.monotonic() + seconds

    def patience(self, run: TurnRun, live: Context) -> Callable[[], float]:
        """Return a function that returns how many seconds storing may take now."""

        def seconds() -> float:
            silent = not live.speaker.answered and not run.stop.requested
            if not run.kept and silent:
                return _BEFORE_A_WORD
            waited_for = self._threads.running(run.thread_id) is not run
            patience = self._settings.storage_patience if time.monotonic() < self._until else 0.0
            return min(patience, _WAITED_FOR) if waited_for else patience

        return seconds

    async def prune(self, key: str) -> None:
        """Delete the thread's old checkpoints; after a failure the next turn tries again."""
        try:
            await self.checkpointer.prune_soon(key, self._settings.checkpoints_kept)
        except StorageError:
            log.warning("old checkpoints were not deleted", extra={"thread_id": thread_name(key)})
