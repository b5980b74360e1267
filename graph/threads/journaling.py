"""Write a process's running turns to the journal, so that they survive a crash."""

import asyncio
import logging
from contextlib import suppress
from typing import Protocol

from ...nodes.context import Background
from ...nodes.speech.speech import Speaker
from ...state.conversations.journaled_turn import JournaledTurn
from ...state.conversations.turn_journal import TurnJournal
from ...state.errors import StorageError, VoicegraphError
from ..background.worker import Worker

log = logging.getLogger(__name__)

FLUSH_SECONDS = 0.25
"""Seconds between two writes of spoken text.

A process writes at most four small transactions a second, each for all turns that have spoken since the last
one, and none during silence. For 50 turns with 2,000 characters each, one takes 1 ms on SQLite and 4 ms on
PostgreSQL. A crash loses what was sent in this time and during the previous write.
"""
RETRY_SECONDS = 2.0
"""The same after a failed write."""


class Followed(Protocol):
    """A turn whose speech is journaled while it runs."""

    thread_id: str
    turn_id: str
    speaker: Speaker
    noted: int
    has_failed: bool

    @property
    def is_due(self) -> bool:
        """True if something spoken is not journaled yet."""
        ...

    @property
    def is_lost(self) -> bool:
        """True if the turn has failed and nothing of it is journaled."""
        ...

    async def keep(self, *, after: str | None) -> None:
        """Journal a whole turn that is lost, after the turn with the id `after`. Raises `StorageError`."""
        ...


class Journaling:
    """Writes the turns of this process to the journal.

    `token` names the process in it. For a database in memory, which ends with the process, it is not
    `enabled`.
    """

    def __init__(
        self, journal: TurnJournal, background: Background, token: int = 0, *, enabled: bool = True
    ) -> None:
        self.journal, self.background, self.token, self.enabled = journal, background, token, enabled
        self._open: dict[Followed, None] = {}
        """The turns in the order in which they started."""
        self._flushing = asyncio.Lock()
        self._is_failing = False
        self._follower = Worker(
            self._follow, self._failed, pauses=(RETRY_SECONDS, RETRY_SECONDS), delay=FLUSH_SECONDS
        )

    def has_unwritten(self, thread_id: str) -> bool:
        """Return whether a turn of this process on the thread may not be journaled completely."""
        return any(turn.thread_id == thread_id for turn in self._open)

    async def find(self, thread_id: str) -> JournaledTurn | None:
        """Return the thread's unfinished turn, including everything that a run of this process spoke.

        With a full disk it includes only what could be written: the caller still gets a reply.
        """
        if self.has_unwritten(thread_id):
            try:
                await self.flush()
            except StorageError as error:
                if error.retryable:
                    raise
        return await self.journal.find(thread_id)

    def follow(self, turn: Followed) -> None:
        """Journal from now on what the turn speaks."""
        self._open[turn] = None
        self._follower.wake()

    def unfollow(self, turn: Followed) -> None:
        """Forget a turn."""
        self._open.pop(turn, None)

    async def flush(self) -> None:
        """Write what was spoken since the last write. Raises `StorageError`."""
        async with self._flushing:
            due = {turn: turn.speaker.spoken for turn in self._open if turn.is_due}
            if due:
                await self.journal.note((turn.thread_id, turn.turn_id, text) for turn, text in due.items())
            for turn, text in due.items():
                turn.noted = len(text)
            before: dict[str, str] = {}
            for turn in list(self._open):
                if turn.is_lost:
                    await turn.keep(after=before.get(turn.thread_id))
                before[turn.thread_id] = turn.turn_id
            self._open = {
                turn: None for turn in self._open if turn.is_due or turn.is_lost or not turn.has_failed
            }

    async def close(self) -> None:
        """Write what was spoken, and stop."""
        await self._follower.close()
        with suppress(StorageError):
            await self.flush()

    async def _follow(self) -> bool:
        await self.flush()
        self._is_failing = False
        return bool(self._open)

    def _failed(self, error: Exception, pause: float) -> bool:
        if not self._is_failing:
            code = error.code if isinstance(error, VoicegraphError) else type(error).__name__
            log.warning("the journal could not be written", extra={"error": code})
        self._is_failing = True
        return bool(self._open)
