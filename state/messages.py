"""Messages: everything that was ever said, whatever the model's window holds."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, fields
from datetime import datetime
from itertools import islice
from typing import Any, Literal

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from .actors import Actor
from .columns import utc_now
from .database import Database
from .errors import InvalidInput, ThreadNotFound
from .models import MessageRow, ThreadRow
from .ownership import agent_number, numbers_of, owned_by, require_thread
from .unbroken import unbroken

Role = Literal["user", "assistant", "tool", "system"]

# Under the number of values that a statement of SQLite or PostgreSQL can hold (32,766).
_IDS_A_STATEMENT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRecord:
    """A message to store; `unheard` is what of a reply was written and not heard, `created_at` is aware."""

    id: str
    turn_id: str
    role: Role
    text: str
    unheard: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str | None = None
    name: str | None = None
    status: str | None = None
    model: str | None = None
    usage: dict[str, Any] | None = None
    created_at: datetime = field(default_factory=utc_now)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMessage(MessageRecord):
    """A message as it is stored; `evicted_at` tells when it left the model's window."""

    number: int
    thread_id: str
    evicted_at: datetime | None


_STORED = tuple(name.name for name in fields(StoredMessage))
# When a message came into being does not change with what is stored of it.
_CHANGEABLE = tuple(name.name for name in fields(MessageRecord) if name.name not in {"id", "created_at"})
MESSAGE_COLUMNS = [getattr(MessageRow, name) for name in _STORED]


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
    ) -> None:
        """Store records and mark the messages with ids in `evicted` as out of the window, in one transaction.

        A record whose id the thread has keeps its number and changes what is different, so that a replay
        writes nothing twice. Of several records with one id the last counts. Raises `AgentNotFound` or
        `ThreadNotFound` when the actor has no such agent with such a thread, `InvalidInput` for a time
        without time zone.
        """
        by_id = {record.id: record for record in records}
        if any(record.created_at.tzinfo is None for record in by_id.values()):
            raise InvalidInput("a message's `created_at` needs a time zone")
        async with self._database.writing() as session:
            agent = await agent_number(session, actor, agent_id, lock=True)
            await _touch(session, actor, agent_id, thread_id)
            known = await _known(session, thread_id, by_id)
            await _insert(
                session, agent, agent_id, thread_id, [by_id[id_] for id_ in by_id if id_ not in known]
            )
            await _change(session, known, by_id)
            await _evict(session, thread_id, evicted)

    @unbroken
    async def history(
        self, actor: Actor, thread_id: str, *, limit: int | None = None, before: int | None = None
    ) -> tuple[StoredMessage, ...]:
        """Return the last `limit` messages, all if `None`, with a number below `before`, the oldest first.

        Raises `ThreadNotFound`.
        """
        if limit is not None and limit < 1:
            raise InvalidInput(f"the limit must be at least 1, it is {limit}")
        query = select(*MESSAGE_COLUMNS).where(MessageRow.thread_id == thread_id)
        query = query.order_by(MessageRow.number.desc()).limit(limit)
        if before is not None:
            query = query.where(MessageRow.number < before)
        async with self._database.reading() as session:
            await require_thread(session, actor, thread_id)
            rows = (await session.execute(query)).mappings().all()
        return tuple(StoredMessage(**row) for row in reversed(rows))

    @unbroken
    async def count(self, actor: Actor, thread_id: str) -> int:
        """Return the number of the thread's messages, or raise `ThreadNotFound`."""
        async with self._database.reading() as session:
            await require_thread(session, actor, thread_id)
            query = select(func.count()).where(MessageRow.thread_id == thread_id)
            return (await session.execute(query)).scalar_one()


async def _touch(session: AsyncSession, actor: Actor, agent_id: str, thread_id: str) -> None:
    query = (
        update(ThreadRow)
        .where(ThreadRow.id == thread_id, ThreadRow.agent_id == agent_id, owned_by(actor, ThreadRow))
        .values(updated_at=utc_now())
        .returning(ThreadRow.id)
    )
    if (await session.execute(query)).first() is None:
        raise ThreadNotFound(thread_id)


async def _known(session: AsyncSession, thread_id: str, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    columns = [MessageRow.id, MessageRow.number, *(getattr(MessageRow, name) for name in _CHANGEABLE)]
    known: dict[str, dict[str, Any]] = {}
    for some in _portions(ids):
        query = select(*columns).where(MessageRow.thread_id == thread_id, MessageRow.id.in_(some))
        known |= {row["id"]: dict(row) for row in (await session.execute(query)).mappings()}
    return known


async def _insert(
    session: AsyncSession, agent: int, agent_id: str, thread_id: str, records: list[MessageRecord]
) -> None:
    if not records:
        return
    first, last = numbers_of(agent)
    greatest = select(func.max(MessageRow.number)).where(MessageRow.number.between(first, last))
    number = (await session.execute(greatest)).scalar_one() or first
    rows = [
        {
            "number": number + place,
            "thread_id": thread_id,
            "agent_id": agent_id,
            "id": record.id,
            "created_at": record.created_at,
            **{name: getattr(record, name) for name in _CHANGEABLE},
        }
        for place, record in enumerate(records, start=1)
    ]
    await session.execute(insert(MessageRow), rows)


async def _change(
    session: AsyncSession, known: dict[str, dict[str, Any]], by_id: dict[str, MessageRecord]
) -> None:
    changes: list[dict[str, Any]] = []
    for id_, stored in known.items():
        wanted = {name: getattr(by_id[id_], name) for name in _CHANGEABLE}
        if any(stored[name] != value for name, value in wanted.items()):
            # Due again for the search index: its words may be others now.
            changes.append({"number": stored["number"], "indexed_at": None, **wanted})
    if changes:
        await session.execute(update(MessageRow), changes)


async def _evict(session: AsyncSession, thread_id: str, ids: Collection[str]) -> None:
    now = utc_now()
    for some in _portions(ids):
        query = update(MessageRow).where(
            MessageRow.thread_id == thread_id, MessageRow.id.in_(some), MessageRow.evicted_at.is_(None)
        )
        await session.execute(query.values(evicted_at=now), execution_options={"synchronize_session": False})


def _portions(ids: Iterable[str]) -> Iterable[list[str]]:
    rest = iter(ids)
    while some := list(islice(rest, _IDS_A_STATEMENT)):
        yield some
