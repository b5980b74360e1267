"""The journal of turns: what a caller said and what was spoken, until the turn's messages are stored.

LangGraph's checkpoints are written in the background, and its next input may discard what a crash left of
them. The journal has a row for each running turn, which survives a crash.
"""

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Insert, bindparam, delete, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ..agents.actors import Actor
from ..agents.ownership import is_agent
from ..agents.thread_keys import thread_name
from ..database.database import Database
from ..database.grouped_writes import GroupedWrites
from ..database.uninterrupted import unbroken
from ..errors import NotFound, ThreadBusy
from ..tables.columns import utc_now
from ..tables.tables import AgentRow, JournalRow, MessageRow, ThreadRow
from .ended_turns import cut_id
from .journaled_turn import JournaledTurn, as_plain, new_row, turn_of_row
from .message_rows import MessageRecord, lock_record, save_records


class _GoneOn(Exception):
    """Another process changed the turn in the meantime."""


def _insert(kind: Any) -> Insert:
    row = kind(JournalRow)
    same = JournalRow.turn_id == row.excluded.turn_id
    changed = {name: row.excluded[name] for name in ("process", "messages")}
    return row.on_conflict_do_update(index_elements=["thread_id"], set_=changed, where=same).returning(
        JournalRow.turn_id
    )


_BEGIN = {"postgresql": _insert(postgresql.insert), "sqlite": _insert(sqlite.insert)}
_OF_TURN = (JournalRow.thread_id == bindparam("thread"), JournalRow.turn_id == bindparam("turn"))
# A process that took the turn for crashed, because the lease was unavailable for a moment, was wrong.
_NOTE = (
    update(JournalRow)
    .where(*_OF_TURN)
    .values(
        spoken=bindparam("new_spoken"),
        resumed=or_(JournalRow.resumed, JournalRow.recorded_at.is_not(None)),
        recorded_at=None,
    )
)
_DELETE = delete(MessageRow).where(
    MessageRow.thread_id == bindparam("thread"), MessageRow.id == bindparam("of_id")
)
_STORED = select(MessageRow.id).where(
    MessageRow.thread_id == bindparam("thread"), MessageRow.turn_id == bindparam("turn")
)
_OWNER = select(ThreadRow.organization_id, ThreadRow.user_id, ThreadRow.agent_id).where(
    ThreadRow.id == bindparam("thread")
)
_FIND = select(JournalRow.__table__, ThreadRow.organization_id, ThreadRow.user_id, ThreadRow.agent_id).join(
    ThreadRow, ThreadRow.id == JournalRow.thread_id
)


class TurnJournal:
    """The journal of a database: at most one turn per thread, which is given by its key."""

    def __init__(self, database: Database) -> None:
        """Use `database`."""
        self._database = database
        self._beginning = GroupedWrites[dict[str, Any], bool](database, _begin)

    async def begin(
        self,
        thread_id: str,
        turn_id: str,
        process: int,
        started_at: datetime,
        messages: Sequence[MessageRecord] = (),
    ) -> bool:
        """Store what the caller said; return false if another turn of the thread is in the journal.

        Committed when this returns. If the turn is in the journal already, its messages are replaced.
        """
        try:
            return await self._beginning.add(new_row(thread_id, turn_id, process, started_at, messages))
        except IntegrityError:  # The thread was deleted: nothing of it may be stored.
            return True

    @unbroken
    async def keep(
        self,
        thread_id: str,
        turn_id: str,
        process: int,
        started_at: datetime,
        messages: Sequence[MessageRecord],
        spoken: str,
        *,
        after: str | None = None,
    ) -> None:
        """Store a turn that has ended but is neither in the journal nor stored.

        If the turn `after`, which it follows, is still in the journal, the two become one entry, to reach the
        window and the record in order. If a later turn of the thread is there, the text goes into the record
        at once, unless the client repeated it in that turn.
        """

        def write(session: Session) -> None:
            connection = session.connection()
            if connection.execute(_STORED, {"thread": thread_id, "turn": turn_id}).first() is not None:
                return
            row = {**new_row(thread_id, turn_id, process, started_at, messages), "spoken": spoken}
            if not _begin(connection, row):
                owner = connection.execute(_OWNER, {"thread": thread_id}).mappings().one()
                lost, others = turn_of_row({**row, **owner}), _turns(connection, _of_thread(thread_id))
                for other in others:
                    if other.turn_id == after:
                        both = [] if other.is_repeated_in(lost.messages) else other.in_all()
                        _settle(connection, other, {**row, "messages": as_plain([*both, *lost.messages])})
                    elif not lost.is_repeated_in(other.messages):
                        _record(connection, lost)

        # `unbroken`: a cancelled call makes its next attempt too, or what was spoken would be lost.
        with suppress(IntegrityError):  # The thread was deleted.
            while True:
                try:
                    return await self._database.write(write)
                except _GoneOn:  # Another process has just changed the earlier turn: read it again.
                    pass

    async def note(self, spoken: Iterable[tuple[str, str, str]]) -> None:
        """Store what was sent so far: thread id, turn id and text of running turns."""
        rows = [{"thread": thread, "turn": turn, "new_spoken": text} for thread, turn, text in spoken]
        await self._database.write(lambda session: session.connection().execute(_NOTE, rows))

    async def find(self, thread_id: str) -> JournaledTurn | None:
        """Return the thread's turn that is running or was left by a crash."""
        query = _of_thread(thread_id)
        return next(
            iter(await self._database.read(lambda session: _turns(session.connection(), query))), None
        )

    async def unrecorded(self) -> list[JournaledTurn]:
        """Return running turns, and turns left by a crash that are not in the record yet."""
        query = _FIND.where(JournalRow.recorded_at.is_(None))
        return await self._database.read(lambda session: _turns(session.connection(), query))

    async def of_agent(
        self, actor: Actor, agent: str, *, without: Collection[str], limit: int
    ) -> list[JournaledTurn]:
        """Return the newest turns of the agent (a name or an id), except for the threads in `without`."""
        query = _FIND.join(AgentRow, AgentRow.id == ThreadRow.agent_id).where(is_agent(actor, agent))
        query = query.where(JournalRow.thread_id.not_in(without))
        query = query.order_by(JournalRow.started_at.desc()).limit(limit)
        return await self._database.read(lambda session: _turns(session.connection(), query))

    async def take(self, turn: JournaledTurn, process: int) -> None:
        """Make this process the owner of a left turn. Raises `ThreadBusy` if another process was faster."""
        await self._change(turn, {"process": process})

    async def record(self, turn: JournaledTurn) -> bool:
        """Add the text of a left turn to the record; return false if the turn was resumed in the meantime.

        The turn stays in the journal, so that it can be resumed.
        """

        def write(session: Session) -> None:
            connection = session.connection()
            _record(connection, turn)
            as_it_was = (JournalRow.spoken == turn.spoken, JournalRow.recorded_at.is_(None))
            _settle(connection, turn, {"recorded_at": utc_now()}, *as_it_was)

        try:
            await self._database.write(write)
        except (_GoneOn, NotFound):
            return False
        return True

    async def go_on(self, turn: JournaledTurn, kept: str, now: datetime) -> None:
        """Record a left turn that is resumed now; `kept` is the spoken text that its window contains.

        Raises `ThreadBusy` if another process does so.
        """
        changed = {
            "lost": turn.rest(kept),
            "spoken": kept,
            "started_at": now,
            "resumed": True,
            "recorded_at": None,
        }
        await self._change(turn, changed, record=True)

    async def replace(
        self, turn: JournaledTurn, records: Sequence[MessageRecord] | None, new_turn_id: str
    ) -> None:
        """Store `records` as all messages of a left turn, and start a new turn in its place.

        With `None`, store the messages of the journal. Raises `ThreadBusy` if another process does so.
        """
        new: dict[str, Any] = {
            "turn_id": new_turn_id,
            "started_at": utc_now(),
            "messages": [],
            "lost": "",
            "spoken": "",
            "resumed": False,
            "recorded_at": None,
        }

        def write(session: Session) -> None:
            connection = session.connection()
            if records is None:
                _record(connection, turn)
            else:  # Replaces the recorded part of the reply, which must come after what is known now.
                # Another process may be recording it at this moment.
                lock_record(connection, turn.actor, turn.agent_id, turn.thread_id)
                connection.execute(_DELETE, {"thread": turn.thread_id, "of_id": cut_id(turn.turn_id)})
                save_records(connection, turn.actor, turn.agent_id, turn.thread_id, records)
            _settle(connection, turn, new)

        await self._written(turn, write)

    async def drop(self, thread_id: str, turn_id: str, process: int) -> None:
        """Delete a turn of which the journal only has the start."""
        nothing = delete(JournalRow).where(
            *_OF_TURN, JournalRow.process == process, JournalRow.spoken == "", JournalRow.lost == ""
        )
        place = {"thread": thread_id, "turn": turn_id}
        await self._database.write(lambda session: session.connection().execute(nothing, place))

    async def _change(self, turn: JournaledTurn, changed: dict[str, Any], *, record: bool = False) -> None:
        def write(session: Session) -> None:
            connection = session.connection()
            if record and not turn.recorded_at:
                _record(connection, turn)
            _settle(connection, turn, changed)

        await self._written(turn, write)

    async def _written(self, turn: JournaledTurn, write: Any) -> None:
        try:
            await self._database.write(write)
        except _GoneOn:
            raise ThreadBusy(
                f"thread '{thread_name(turn.thread_id)}' is running in another process: try again"
            ) from None


def _begin(connection: Connection, row: dict[str, Any]) -> bool:
    return connection.execute(_BEGIN[connection.dialect.name], row).first() is not None


def _record(connection: Connection, turn: JournaledTurn) -> None:
    if records := turn.in_all():
        save_records(connection, turn.actor, turn.agent_id, turn.thread_id, records)


def _settle(connection: Connection, turn: JournaledTurn, changed: dict[str, Any], *also: Any) -> None:
    """Change the row unless another process has changed it since it was read.

    Must be the last statement of its transaction: the row of a turn is locked after its thread, as in
    `end_turn`.
    """
    as_it_was = (
        JournalRow.thread_id == turn.thread_id,
        JournalRow.turn_id == turn.turn_id,
        JournalRow.process == turn.process,
    )
    if connection.execute(update(JournalRow).where(*as_it_was, *also).values(changed)).rowcount != 1:
        raise _GoneOn


def _of_thread(thread_id: str) -> Any:
    return _FIND.where(JournalRow.thread_id == thread_id)


def _turns(connection: Connection, query: Any) -> list[JournaledTurn]:
    return [turn_of_row(row) for row in connection.execute(query).mappings()]
