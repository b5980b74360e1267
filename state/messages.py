"""Messages: everything that was ever said, whatever the model's window holds."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, fields
from datetime import datetime
from itertools import islice
from typing import Any, Literal

from sqlalchemy import Connection, bindparam, func, insert, select, update

from .actors import Actor
from .columns import utc_now
from .database import Database
from .ended_turns import end_turn
from .errors import AgentNotFound, InvalidInput, ThreadNotFound
from .models import AgentRow, MessageRow, ThreadRow
from .neighbours import WITHDRAWN
from .ownership import agent_number, numbers_of, require_thread
from .paging import Cut, Slice, page_of_rows
from .unbroken import unbroken

Role = Literal["user", "assistant", "tool", "system"]

# Under the number of values that a statement of SQLite or PostgreSQL can hold (32,766).
_IDS_A_STATEMENT = 10_000
_LOOKED_AT = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRecord:
    """A message to store; `created_at` is aware.

    `unheard` is what of a reply was written and not heard. `spoken` is all that was heard for a reply where
    that differs from its text: announcements of tools and fillers are part of it.
    """

    id: str
    turn_id: str
    role: Role
    text: str
    unheard: str | None = None
    spoken: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str | None = None
    name: str | None = None
    status: str | None = None
    model: str | None = None
    usage: dict[str, Any] | None = None
    created_at: datetime = field(default_factory=utc_now)

    @property
    def heard(self) -> str:
        """What was heard of a reply; of any other message its text."""
        return self.text if self.spoken is None else self.spoken


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMessage(MessageRecord):
    """A message as it is stored; `evicted_at` tells when it left the model's window."""

    number: int
    thread_id: str
    evicted_at: datetime | None


_STORED = tuple(name.name for name in fields(StoredMessage))
# When and in which turn a message came into being does not change with what is stored of it.
_FIXED = {"id", "created_at", "turn_id"}
_CHANGEABLE = tuple(name.name for name in fields(MessageRecord) if name.name not in _FIXED)
MESSAGE_COLUMNS = [getattr(MessageRow, name) for name in _STORED]

# Every turn runs these: made once, they cost a third of what making them each time would.
_AGENT = (
    select(AgentRow.number)
    .where(AgentRow.id == bindparam("agent"))
    .where(AgentRow.organization_id == bindparam("organization"), AgentRow.user_id == bindparam("user"))
    .with_for_update(key_share=True)  # Others that number rows of this agent wait (SQLite has one writer).
)
_TOUCH = (
    update(ThreadRow)
    .where(ThreadRow.id == bindparam("thread"), ThreadRow.agent_id == bindparam("agent"))
    .where(ThreadRow.organization_id == bindparam("organization"), ThreadRow.user_id == bindparam("user"))
    .values(updated_at=bindparam("now"))
    .returning(ThreadRow.id)
)
_KNOWN = select(MessageRow.id, MessageRow.number, *(getattr(MessageRow, name) for name in _CHANGEABLE)).where(
    MessageRow.thread_id == bindparam("thread"), MessageRow.id.in_(bindparam("ids", expanding=True))
)
_GREATEST = select(func.max(MessageRow.number)).where(
    MessageRow.number.between(bindparam("first"), bindparam("last"))
)
_INSERT = insert(MessageRow)
# Due again for the search index: its words may be others now.
_CHANGE = (
    update(MessageRow)
    .where(MessageRow.number == bindparam("of_number"))
    .values(indexed_at=None, **{name: bindparam(f"new_{name}") for name in _CHANGEABLE})
)
_EVICT = (
    update(MessageRow)
    .where(MessageRow.thread_id == bindparam("thread"), MessageRow.id.in_(bindparam("ids", expanding=True)))
    .where(MessageRow.evicted_at.is_(None))
    .values(evicted_at=bindparam("now"))
)


class Messages:
    """The messages of threads, in the order in which they were first stored."""

    def __init__(self, database: Database) -> None:
        """Work on `database`."""
        self._database = database

    @unbroken
    async def save(
        self,
        actor: Actor,
        agent_id: str,
        thread_id: str,
        records: Iterable[MessageRecord],
        *,
        evicted: Collection[str] = (),
        ended: str | None = None,
    ) -> None:
        """Store records and mark the messages with ids in `evicted` as out of the window, in one transaction.

        With the id of the turn that `ended` it leaves the journal. A record whose id the thread has keeps its
        number and changes what is different, so that a replay writes nothing twice. Of several records with
        one id the last counts. Raises `AgentNotFound` or `ThreadNotFound` when the actor has no such agent
        with such a thread, `InvalidInput` for a time without time zone.
        """
        saved = list(records)
        if any(record.created_at.tzinfo is None for record in saved):
            raise InvalidInput("a message's `created_at` needs a time zone")

        def save(connection: Connection) -> None:
            save_records(connection, actor, agent_id, thread_id, saved)
            _evict(connection, thread_id, evicted)
            if ended is not None:
                end_turn(connection, thread_id, ended, [record.id for record in saved])

        await self._database.write(save)

    @unbroken
    async def history(
        self,
        actor: Actor,
        thread_id: str,
        *,
        limit: int | None = None,
        before: int | None = None,
        withdrawn: bool = True,
    ) -> tuple[StoredMessage, ...]:
        """Return the last `limit` messages, all if `None`, with a number below `before`, the oldest first.

        Without `withdrawn`, drafts and the replies to them are left out. Raises `ThreadNotFound`.
        """
        if limit is not None and limit < 1:
            raise InvalidInput(f"the limit must be at least 1, it is {limit}")
        query = select(*MESSAGE_COLUMNS).where(MessageRow.thread_id == thread_id)
        query = query.order_by(MessageRow.number.desc()).limit(limit)
        if before is not None:
            query = query.where(MessageRow.number < before)
        if not withdrawn:
            query = query.where(MessageRow.status.is_distinct_from(WITHDRAWN))
        async with self._database.reading() as session:
            await require_thread(session, actor, thread_id)
            rows = (await session.execute(query)).mappings().all()
        return tuple(StoredMessage(**row) for row in reversed(rows))

    @unbroken
    async def threads_with_words(
        self, actor: Actor, agent_id: str, words: Collection[str], *, since: datetime, limit: int = 5
    ) -> tuple[str, ...]:
        """Return the ids of threads in which the user said exactly one of `words` since then, newest first.

        Only the agent's last two thousand messages are looked at. Raises `AgentNotFound`.
        """
        async with self._database.reading() as session:
            first, last = numbers_of(await agent_number(session, actor, agent_id))
            greatest = await session.scalar(_GREATEST, {"first": first, "last": last}) or first
            query = (
                select(MessageRow.thread_id)
                .where(MessageRow.number.between(max(first, greatest - _LOOKED_AT), greatest))
                .where(MessageRow.role == "user", MessageRow.text.in_(words), MessageRow.created_at >= since)
                .order_by(MessageRow.number.desc())
            )
            rows = await session.scalars(query)
            return tuple(islice(dict.fromkeys(rows), limit))

    @unbroken
    async def page(self, actor: Actor, thread_id: str, cut: Cut) -> Slice[StoredMessage]:
        """Return a page of the thread's messages, the newest first.

        Raises `ThreadNotFound`, `InvalidInput`.
        """
        query = select(*MESSAGE_COLUMNS).where(MessageRow.thread_id == thread_id)
        async with self._database.reading() as session:
            await require_thread(session, actor, thread_id)
            return await page_of_rows(
                session,
                query,
                cut,
                lambda row: StoredMessage(**row._mapping),
                order=[MessageRow.number],
                by=MessageRow.id,
                newest_first=True,
            )

    @unbroken
    async def count(self, actor: Actor, thread_id: str) -> int:
        """Return the number of the thread's messages, or raise `ThreadNotFound`."""
        async with self._database.reading() as session:
            await require_thread(session, actor, thread_id)
            query = select(func.count()).where(MessageRow.thread_id == thread_id)
            return (await session.execute(query)).scalar_one()


def save_records(
    connection: Connection, actor: Actor, agent_id: str, thread_id: str, records: Iterable[MessageRecord]
) -> None:
    """Store records in the connection's transaction; see `Messages.save`."""
    by_id = {record.id: record for record in records}
    agent = _agent_number(connection, actor, agent_id)
    _touch(connection, actor, agent_id, thread_id)
    known = _known(connection, thread_id, by_id)
    new = [by_id[id_] for id_ in by_id if id_ not in known]
    _insert(connection, agent, agent_id, thread_id, new)
    _change(connection, known, by_id)


def _agent_number(connection: Connection, actor: Actor, agent_id: str) -> int:
    number = connection.execute(_AGENT, {"agent": agent_id, **_owner(actor)}).scalar_one_or_none()
    if number is None:
        raise AgentNotFound(agent_id)
    return number


def _touch(connection: Connection, actor: Actor, agent_id: str, thread_id: str) -> None:
    given = {"thread": thread_id, "agent": agent_id, "now": utc_now(), **_owner(actor)}
    if connection.execute(_TOUCH, given).first() is None:
        raise ThreadNotFound(thread_id)


def _known(connection: Connection, thread_id: str, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    known: dict[str, dict[str, Any]] = {}
    for some in _portions(ids):
        rows = connection.execute(_KNOWN, {"thread": thread_id, "ids": some}).mappings()
        known |= {row["id"]: dict(row) for row in rows}
    return known


def _insert(
    connection: Connection, agent: int, agent_id: str, thread_id: str, records: list[MessageRecord]
) -> None:
    if not records:
        return
    first, last = numbers_of(agent)
    number = connection.execute(_GREATEST, {"first": first, "last": last}).scalar_one() or first
    rows = [
        {
            "number": number + place,
            "thread_id": thread_id,
            "agent_id": agent_id,
            **{name: getattr(record, name) for name in _FIXED},
            **{name: getattr(record, name) for name in _CHANGEABLE},
        }
        for place, record in enumerate(records, start=1)
    ]
    connection.execute(_INSERT, rows)


def _change(
    connection: Connection, known: dict[str, dict[str, Any]], by_id: dict[str, MessageRecord]
) -> None:
    changes: list[dict[str, Any]] = []
    for id_, stored in known.items():
        wanted = {name: getattr(by_id[id_], name) for name in _CHANGEABLE}
        if any(stored[name] != value for name, value in wanted.items()):
            new = {f"new_{name}": value for name, value in wanted.items()}
            changes.append({"of_number": stored["number"], **new})
    if changes:
        connection.execute(_CHANGE, changes)


def _evict(connection: Connection, thread_id: str, ids: Collection[str]) -> None:
    now = utc_now()
    for some in _portions(ids):
        connection.execute(_EVICT, {"thread": thread_id, "ids": some, "now": now})


def _owner(actor: Actor) -> dict[str, str]:
    return {"organization": actor.organization_id, "user": actor.user_id}


def _portions(ids: Iterable[str]) -> Iterable[list[str]]:
    rest = iter(ids)
    while some := list(islice(rest, _IDS_A_STATEMENT)):
        yield some
