"""A turn of this process and its row in the journal."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from langchain_core.messages import AnyMessage

from ...nodes.context import Context
from ...nodes.window.records import as_records
from ...state.agents.thread_keys import thread_name
from ...state.conversations.journaled_turn import JournaledTurn
from ...state.conversations.message_rows import MessageRecord
from ...state.errors import StorageError, VoicegraphError
from ...state.schema import Turn
from .journaling import Journaling
from .known_threads import Known
from .owner import RESUMED, OwnedThread

log = logging.getLogger(__name__)

LONGEST_WAIT = 5.0
"""Maximum seconds that a tool with side effects waits until the user's message is journaled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    """The start of a turn."""

    started_at: datetime
    messages: list[MessageRecord]


class OpenTurn:
    """A turn of this process and its row in the journal; `thread_id` is the key of its thread."""

    def __init__(
        self,
        journaling: Journaling,
        held: OwnedThread,
        live: Context,
        turn_id: str | None,
        *,
        enabled: bool,
    ) -> None:
        """`turn_id` is `None` for a resumed turn; without `enabled` nothing is written."""
        self.held = held
        self.speaker, self.thread_id, self.turn_id = live.speaker, live.thread_key, turn_id or ""
        self.noted = 0
        """Number of spoken characters that are journaled."""
        self.has_failed = False
        self._journaling, self._background = journaling, journaling.background
        self._enabled = enabled and journaling.enabled
        self._storing, self._written = live.storing, live.written
        self._begun: _Begun | None = None
        self._writing: asyncio.Task[None] | None = None
        self._has_claimed = False

    @property
    def is_due(self) -> bool:
        """True if something spoken is not journaled yet."""
        return len(self.speaker.spoken) != self.noted and self._is_written

    @property
    def is_lost(self) -> bool:
        """True if the turn has failed and nothing of it is journaled."""
        return self.has_failed and not self._is_written and self._begun is not None

    @property
    def _is_written(self) -> bool:
        writing = self._writing
        return bool(writing and writing.done() and not writing.cancelled() and writing.exception() is None)

    async def keep(self, *, after: str | None) -> None:
        """Journal a whole turn that is lost, after the turn with the id `after`. Raises `StorageError`."""
        if self._begun is not None:
            spoken, token = self.speaker.spoken, self._journaling.token
            began, said = self._begun.started_at, self._begun.messages
            journal = self._journaling.journal
            await journal.keep(self.thread_id, self.turn_id, token, began, said, spoken, after=after)
        self._begun, self.noted = None, len(self.speaker.spoken)

    def context(self, live: Context) -> Context:
        """Return the context with hooks that journal the turn."""
        if not self._enabled:
            return live
        return replace(live, begun=self.begun, storing=self._store, written=self._until_written)

    async def take(self, known: Known) -> tuple[Known, JournaledTurn | None]:
        """Return how well the thread is known, and its unfinished turn, if any; see `OwnedThread`."""
        if not self._enabled:
            return known, None
        known, left = await self.held.unfinished(known, self.turn_id)
        self._has_claimed = self.held.is_claimed
        return known, left

    async def replace(self, left: JournaledTurn, turn: Turn, said: Sequence[AnyMessage]) -> None:
        """Record the unfinished turn, and replace its journal row with this one's."""
        await self._journaling.journal.replace(left, as_records(said, turn), self.turn_id)
        self._has_claimed = True

    async def go_on(self, left: JournaledTurn, kept: str, now: float) -> None:
        """Resume the unfinished turn; `kept` is the part of its speech that is in the window."""
        await self._journaling.journal.go_on(left, kept, datetime.fromtimestamp(now, UTC))
        self.turn_id, self.noted = left.turn_id, len(kept)
        self._writing = asyncio.create_task(_done())
        self._journaling.follow(self)

    def __enter__(self) -> None:
        """Do nothing yet."""

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Stop following the turn; a failed one's last words are still written."""
        self.has_failed = error is not None
        if not self.has_failed:
            self._journaling.unfollow(self)
        if self._has_claimed and self._writing is None:
            self._background.start(self._drop())

    def begun(self, turn: Turn, messages: Sequence[AnyMessage]) -> None:
        """Journal the user's message while the model is called; the first word waits for that."""
        self.turn_id = turn["id"]
        self._writing = self._background.start(self._begin(turn, messages))
        self._writing.add_done_callback(self._tell_failure)
        keeping = self._background.start(self._keep_resumable(self._writing))
        self.speaker.hold_until(partial(_until_done, keeping))
        self._journaling.follow(self)

    async def _keep_resumable(self, writing: "asyncio.Task[None]") -> None:
        """Write the first checkpoints once the message is journaled: after a crash the turn can go on."""
        await asyncio.wait({writing})
        with suppress(StorageError):  # The journal has the message.
            await self.held.checkpoints_written()

    async def _begin(self, turn: Turn, messages: Sequence[AnyMessage]) -> None:
        journaling = self._journaling
        started_at = datetime.fromtimestamp(turn["started_at"], UTC)
        records = as_records(messages, turn)
        self._begun = _Begun(started_at=started_at, messages=records)

        async def begin() -> None:
            journal = journaling.journal
            while not await journal.begin(self.thread_id, turn["id"], journaling.token, started_at, records):
                left = await journal.find(self.thread_id)
                if left is not None and left.turn_id != turn["id"]:
                    self.held.refuse_if_alive(left)
                    again = left.recorded_at is None and left.is_repeated_in(records)
                    await journal.replace(left, () if again else None, turn["id"])

        await self._storing(begin)

    def _tell_failure(self, writing: "asyncio.Task[None]") -> None:
        error = None if writing.cancelled() else writing.exception()
        if error is not None:
            code = error.code if isinstance(error, VoicegraphError) else type(error).__name__
            place = {"thread_id": thread_name(self.thread_id), "error": code}
            log.warning("the user's message could not be journaled at once", extra=place)

    async def _store(self, write: Callable[[], Awaitable[None]]) -> None:
        """Store after the journal's first write, which would otherwise bring back a turn that has left it."""
        if self._writing is not None and not self._writing.done():
            await asyncio.wait({self._writing})
        await self.held.checkpoints_written()
        await self._storing(write)

    async def _until_written(self) -> None:
        """Wait until a crash cannot undo what was decided and said so far."""
        writing = self._writing
        if writing is not None:
            await asyncio.wait({writing}, timeout=LONGEST_WAIT)
            if not writing.done() or writing.cancelled() or writing.exception() is not None:
                raise StorageError("the user's message could not be journaled")
        with suppress(StorageError):
            await self._journaling.flush()
        await self._written()

    async def _drop(self) -> None:
        with suppress(StorageError):
            place = (self.thread_id, self.turn_id or RESUMED)
            await self._journaling.journal.drop(*place, self._journaling.token)


async def _until_done(task: "asyncio.Task[None]") -> None:
    await asyncio.wait({task})


async def _done() -> None:
    pass
