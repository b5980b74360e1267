"""The running turns of a process in the journal: begun, followed while they speak, left by a crash."""

import asyncio
import logging
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Protocol

from ...nodes.context import Background
from ...nodes.speech.speech import Speaker
from ...state.agents.thread_keys import thread_name
from ...state.checkpoints.checkpointer import Checkpointer
from ...state.conversations.journaled_turn import JournaledTurn
from ...state.conversations.turn_journal import TurnJournal
from ...state.errors import StorageError, ThreadBusy
from ...state.sqlite.process_lock import ProcessLock

log = logging.getLogger(__name__)

FLUSH_SECONDS = 0.25
"""Pause between two writes of what was spoken.

A process writes four small transactions a second at most, each for all turns that have spoken since the last
one, and none while all are silent. For 50 turns with 2,000 characters each one takes 1 ms on SQLite and 4 ms
on PostgreSQL. A crash loses what went out in this time and while the write before was going on.
"""
_RETRY_SECONDS = 2.0
"""The same after a write that has failed."""


class Followed(Protocol):
    """A turn whose words are written down while it speaks."""

    thread_id: str
    turn_id: str
    speaker: Speaker
    noted: int
    has_failed: bool

    @property
    def is_due(self) -> bool:
        """True when something was spoken that is not written down."""
        ...

    @property
    def is_lost(self) -> bool:
        """True when the turn has ended and nothing of it is written down."""
        ...

    async def keep(self, *, after: str | None) -> None:
        """Write down all of a turn that was lost, after the turn with that id. Raises `StorageError`."""
        ...


class Journaling:
    """Writes the turns of this process into the journal.

    `lock` tells which other processes have an SQLite file open; `None` on PostgreSQL, where a thread's lease
    tells who has it. What is in memory ends with the process: it is not `enabled` there.
    """

    def __init__(
        self,
        journal: TurnJournal,
        lock: ProcessLock | None,
        background: Background,
        checkpointer: Checkpointer,
        *,
        enabled: bool,
    ) -> None:
        self.journal, self.lock, self.checkpointer = journal, lock, checkpointer
        self.background, self.enabled = background, enabled
        self.token = lock.token if lock else 0
        self._open: dict[Followed, None] = {}
        """The turns in the order in which they began."""
        self._flushing = asyncio.Lock()
        self._follower: asyncio.Task[None] | None = None
        self._openings: int = lock.openings() if lock else 0
        self.has_company = False
        """True when another process had the SQLite file open as the last turn began."""

    def alone(self) -> bool:
        """Tell if no other process has the SQLite file open now."""
        return self.lock is None or self.lock.is_alone()

    def has_been_visited(self) -> bool:
        """Tell if other processes had the SQLite file open since this was last asked, and have it no more."""
        if self.lock is None:
            return False
        openings, company = self.lock.openings(), not self.lock.is_alone()
        visited = not company and (self.has_company or openings != self._openings)
        self._openings, self.has_company = openings, company
        return visited

    def has_unwritten(self, thread_id: str) -> bool:
        """Return whether a turn of this process on the thread may not be written down in full yet."""
        return any(turn.thread_id == thread_id for turn in self._open)

    async def find(self, thread_id: str) -> JournaledTurn | None:
        """Return the turn that was left on the thread, with all that a run of this process spoke in it.

        While the disk is full that is as much as could be written: the caller still gets a reply.
        """
        if self.has_unwritten(thread_id):
            try:
                await self.flush()
            except StorageError as error:
                if error.retryable:
                    raise
        return await self.journal.find(thread_id)

    async def claim(self, thread_id: str, turn_id: str) -> JournaledTurn | None:
        """Take a thread of an SQLite file for a turn; return the turn that was left on it, if any.

        Raises `ThreadBusy` when another process runs a turn on it.
        """
        assert self.lock is not None
        while True:
            left = await self.find(thread_id)
            if left is None:
                now = datetime.now(UTC)
                if self.alone() or await self.journal.begin(thread_id, turn_id, self.token, now):
                    return None
            else:
                self.refuse_if_alive(left)
                await self.journal.take(left, self.token)
                return replace(left, process=self.token)

    def refuse_if_alive(self, turn: JournaledTurn) -> None:
        """Raise `ThreadBusy` when another process runs the turn."""
        if self.lock is not None and turn.process != self.token and self.lock.is_alive(turn.process):
            raise ThreadBusy(
                f"another process runs a turn on thread '{thread_name(turn.thread_id)}': wait for its end, "
                "or use PostgreSQL, where processes share their threads"
            )

    def follow(self, turn: Followed) -> None:
        """Note from now on what the turn speaks."""
        self._open[turn] = None
        if self._follower is None or self._follower.done():
            self._follower = asyncio.create_task(self._follow())

    def unfollow(self, turn: Followed) -> None:
        """Forget a turn."""
        self._open.pop(turn, None)

    async def flush(self) -> None:
        """Write down what was spoken since the last time. Raises `StorageError`."""
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
        """Write down what was spoken, and stop."""
        if self._follower is not None:
            self._follower.cancel()
            await asyncio.wait({self._follower})
        with suppress(StorageError):
            await self.flush()

    async def _follow(self) -> None:
        failed = False
        while self._open:
            await asyncio.sleep(_RETRY_SECONDS if failed else FLUSH_SECONDS)
            try:
                await self.flush()
                failed = False
            except StorageError as error:
                if not failed:
                    log.warning("what was spoken could not be written down", extra={"error": error.code})
                failed = True
