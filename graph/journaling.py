"""The running turns of a process in the journal: begun, followed while they speak, left by a crash."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from langchain_core.messages import AnyMessage

from ..nodes.context import Background, Context
from ..nodes.records import as_records
from ..state.checkpoints import Checkpointer, until_written
from ..state.errors import StorageError, ThreadBusy, VoicegraphError
from ..state.process_lock import ProcessLock
from ..state.schema import Turn
from ..state.turn_journal import JournaledTurn, TurnJournal

if TYPE_CHECKING:
    from ..state.leases import ThreadFacts

Known = Literal["warm", "cold", "new"]

log = logging.getLogger(__name__)

FLUSH_SECONDS = 0.25
"""Pause between two writes of what was spoken.

A process writes four small transactions a second at most, each for all turns that have spoken since the last
one, and none while all are silent. For 50 turns with 2,000 characters each one takes 1 ms on SQLite and 4 ms
on PostgreSQL. A crash loses what went out in this time and while the write before was going on.
"""
_RESUMED = "resumed"
"""Stands for the id of a turn that goes on, before that is known."""
LONGEST_WAIT = 5.0
"""Seconds that a tool with side effects waits until the caller's words are written."""


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
        self._background, self._enabled = background, enabled
        self.token = lock.token if lock else 0
        self._open: set[OpenTurn] = set()
        self._flushing = asyncio.Lock()
        self._follower: asyncio.Task[None] | None = None
        self._openings: int = lock.openings() if lock else 0
        self.has_company = False
        """True when another process had the SQLite file open as the last turn began."""

    def open(self, live: Context, turn_id: str | None, *, enabled: bool) -> "OpenTurn":
        """Return what a turn has to do with the journal; `turn_id` is `None` for one that goes on."""
        return OpenTurn(self, live, self._background, turn_id, enabled=enabled and self._enabled)

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

    async def find(self, thread_id: str) -> JournaledTurn | None:
        """Return the turn that was left on the thread, with all that a run of this process spoke in it."""
        if any(turn.thread_id == thread_id for turn in self._open):
            await self.flush()
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
                f"another process runs a turn on thread '{turn.thread_id}': wait for its end, or use "
                "PostgreSQL, where processes share their threads"
            )

    def follow(self, turn: "OpenTurn") -> None:
        """Note from now on what the turn speaks."""
        self._open.add(turn)
        if self._follower is None or self._follower.done():
            self._follower = asyncio.create_task(self._follow())

    def unfollow(self, turn: "OpenTurn") -> None:
        """Forget a turn."""
        self._open.discard(turn)

    async def flush(self) -> None:
        """Write down what was spoken since the last time. Raises `StorageError`."""
        async with self._flushing:
            due = {turn: turn.speaker.spoken for turn in self._open if turn.is_due}
            if due:
                await self.journal.note((turn.thread_id, turn.turn_id, text) for turn, text in due.items())
            for turn, text in due.items():
                turn.noted = len(text)
            self._open = {turn for turn in self._open if turn.is_due or not turn.has_failed}

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
            await asyncio.sleep(FLUSH_SECONDS)
            try:
                await self.flush()
                failed = False
            except StorageError as error:
                if not failed:
                    log.warning("what was spoken could not be written down", extra={"error": error.code})
                failed = True


class OpenTurn:
    """A turn of this process and its row in the journal."""

    def __init__(
        self,
        journaling: Journaling,
        live: Context,
        background: Background,
        turn_id: str | None,
        *,
        enabled: bool,
    ) -> None:
        self.speaker, self.thread_id, self.turn_id = live.speaker, live.thread_id, turn_id or ""
        self.noted = 0
        """Characters of what was spoken that are written down."""
        self.has_failed = False
        self._journaling, self._background, self._enabled = journaling, background, enabled
        self._storing, self._written = live.storing, live.written
        self._writing: asyncio.Task[None] | None = None
        self._has_claimed = False

    @property
    def is_due(self) -> bool:
        """True when something was spoken that is not written down."""
        return len(self.speaker.spoken) != self.noted and self._writing is not None and self._writing.done()

    def context(self, live: Context) -> Context:
        """Return the context whose turn is written down."""
        if not self._enabled:
            return live
        return replace(live, begun=self.begun, storing=self._store, written=self._until_written)

    async def take(self, known: Known, facts: "ThreadFacts | None") -> tuple[Known, JournaledTurn | None]:
        """Take the thread; return how well it is known then, and the turn that was left on it, if any.

        `facts` are those of the thread's lease on PostgreSQL. Raises `ThreadBusy` when another process runs
        a turn on the thread of an SQLite file.
        """
        journaling = self._journaling
        if not self._enabled:
            return known, None
        if facts is not None:
            left = await journaling.find(self.thread_id) if facts.left else None
            return known if left is None else "cold", left
        if known == "warm" and journaling.has_company:
            known = "cold"
        if known != "cold" and self.turn_id and not journaling.has_company:
            return known, None
        left = await journaling.claim(self.thread_id, self.turn_id or _RESUMED)
        self._has_claimed = True
        return known, left

    async def replace(self, left: JournaledTurn, turn: Turn, said: Sequence[AnyMessage]) -> None:
        """Store all of the turn that was left, and begin this one in its place."""
        await self._journaling.journal.replace(left, as_records(said, turn), self.turn_id)
        self._has_claimed = True

    async def go_on(self, left: JournaledTurn, kept: str, now: float) -> None:
        """Go on with the turn that was left; `kept` is what its window holds of what was spoken."""
        await self._journaling.journal.go_on(left, kept, datetime.fromtimestamp(now, UTC))
        self.turn_id, self.noted = left.turn_id, len(kept)
        self._writing = asyncio.create_task(_done())
        self._journaling.follow(self)

    def __enter__(self) -> None:
        """Do nothing yet."""

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Follow the turn no more; of one that failed the last words are still written down."""
        self.has_failed = error is not None
        if not self.has_failed:
            self._journaling.unfollow(self)
        if self._has_claimed and self._writing is None:
            self._background.start(self._drop())

    def begun(self, turn: Turn, messages: Sequence[AnyMessage]) -> None:
        """Write down what the caller said, while the model is asked."""
        self.turn_id = turn["id"]
        written = asyncio.Event()
        self.speaker.hold_until(written)
        self._writing = self._background.start(self._begin(turn, messages))
        self._writing.add_done_callback(lambda _: written.set())
        self._writing.add_done_callback(self._tell_failure)
        self._journaling.follow(self)

    async def _begin(self, turn: Turn, messages: Sequence[AnyMessage]) -> None:
        journaling = self._journaling
        started_at = datetime.fromtimestamp(turn["started_at"], UTC)
        records = as_records(messages, turn)

        async def begin() -> None:
            journal = journaling.journal
            while not await journal.begin(self.thread_id, turn["id"], journaling.token, started_at, records):
                left = await journal.find(self.thread_id)
                if left is not None and left.turn_id != turn["id"]:
                    journaling.refuse_if_alive(left)
                    await journal.replace(left, None, turn["id"])

        await self._storing(begin)

    def _tell_failure(self, writing: "asyncio.Task[None]") -> None:
        error = None if writing.cancelled() else writing.exception()
        if error is not None:
            code = error.code if isinstance(error, VoicegraphError) else type(error).__name__
            place = {"thread_id": self.thread_id, "error": code}
            log.warning("what the caller said could not be written down at once", extra=place)

    async def _store(self, write: Callable[[], Awaitable[None]]) -> None:
        """Store behind the first write: else that would bring a turn back that has left the journal.

        On SQLite also behind the checkpoints, which are in a file of their own: should writing them fail, the
        journal tells the next turn what they lack.
        """
        if self._writing is not None and not self._writing.done():
            await asyncio.wait({self._writing})
        if self._journaling.lock is not None:
            await until_written(self._journaling.checkpointer, self.thread_id, within=None)
        await self._storing(write)

    async def _until_written(self) -> None:
        """Wait until a crash would not undo what was decided so far, nor what was said of it."""
        writing = self._writing
        if writing is not None:
            await asyncio.wait({writing}, timeout=LONGEST_WAIT)
            if not writing.done() or writing.cancelled() or writing.exception() is not None:
                raise StorageError("what the caller said could not be written down")
        with suppress(StorageError):
            await self._journaling.flush()
        await self._written()

    async def _drop(self) -> None:
        with suppress(StorageError):
            place = (self.thread_id, self.turn_id or _RESUMED)
            await self._journaling.journal.drop(*place, self._journaling.token)


async def _done() -> None:
    pass
