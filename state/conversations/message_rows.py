"""Messages as rows: inserted in the order of their turns, updated if they exist."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, fields
from datetime import datetime
from itertools import islice
from typing import Any, Literal

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from ..agents.actors import Actor
from ..agents.ownership import numbers_of
from ..agents.thread_keys import thread_name
from ..errors import AgentNotFound, ThreadNotFound
from ..tables.columns import utc_now
from ..tables.tables import AgentRow, MessageRow, ThreadRow
from .ended_turns import CUT, Lost, cut_id

Role = Literal["user", "assistant", "tool", "system"]

# Below the maximum number of parameters of a statement of SQLite or PostgreSQL (32,766).
_IDS_A_STATEMENT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRecord:
    """A message to store; `created_at` is aware.

    `unheard` is the part of a reply that was written but not heard. `spoken` is everything that was heard for
    a reply, if that differs from its text: it includes announcements of tools and fillers.
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
        """What was heard of a reply; the text of any other message."""
        return self.text if self.spoken is None else self.spoken


# The time and turn of a message do not change when it is updated.
_FIXED = {"id", "created_at", "turn_id"}
_CHANGEABLE = tuple(name.name for name in fields(MessageRecord) if name.name not in _FIXED)

# Every turn runs these statements: building them once costs a third of building them each time.
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
GREATEST = select(func.max(MessageRow.number)).where(
    MessageRow.number.between(bindparam("first"), bindparam("last"))
)
_INSERT = insert(MessageRow)
# The search index must read it again: its text may have changed.
_CHANGE = (
    update(MessageRow)
    .where(MessageRow.number == bindparam("of_number"))
    .values(indexed_at=None, **{name: bindparam(f"new_{name}") for name in _CHANGEABLE})
)
_DELETE = delete(MessageRow).where(
    MessageRow.thread_id == bindparam("thread"), MessageRow.id.in_(bindparam("ids", expanding=True))
)
_EVICT = (
    update(MessageRow)
    .where(MessageRow.thread_id == bindparam("thread"), MessageRow.id.in_(bindparam("ids", expanding=True)))
    .where(MessageRow.evicted_at.is_(None))
    .values(evicted_at=bindparam("now"))
)


def save_records(
    connection: Connection, actor: Actor, agent_id: str, thread_id: str, records: Iterable[MessageRecord]
) -> None:
    """Store records in the connection's transaction, see `Messages.save`. `thread_id` is the thread's key."""
    by_id = {record.id: record for record in records}
    agent = lock_record(connection, actor, agent_id, thread_id)
    known = _known(connection, thread_id, by_id)
    new = [by_id[id_] for id_ in by_id if id_ not in known]
    _insert(connection, agent, agent_id, thread_id, new)
    _change(connection, known, by_id)


def lock_record(connection: Connection, actor: Actor, agent_id: str, thread_id: str) -> int:
    """Lock the thread's record until the end of the transaction; return the number of its agent.

    Raises `AgentNotFound` and `ThreadNotFound`.
    """
    number = _agent_number(connection, actor, agent_id)
    _touch(connection, actor, agent_id, thread_id)
    return number


def _agent_number(connection: Connection, actor: Actor, agent_id: str) -> int:
    number = connection.execute(_AGENT, {"agent": agent_id, **_owner(actor)}).scalar_one_or_none()
    if number is None:
        raise AgentNotFound(agent_id)
    return number


def _touch(connection: Connection, actor: Actor, agent_id: str, thread_id: str) -> None:
    given = {"thread": thread_id, "agent": agent_id, "now": utc_now(), **_owner(actor)}
    if connection.execute(_TOUCH, given).first() is None:
        raise ThreadNotFound(thread_name(thread_id))


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
    number = connection.execute(GREATEST, {"first": first, "last": last}).scalar_one() or first
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


def save_lost(
    connection: Connection,
    actor: Actor,
    agent_id: str,
    thread_id: str,
    turn_id: str,
    lost: Lost,
    records: Iterable[MessageRecord],
) -> None:
    """Store the text lost in a crash, before those of the turn's `records` that were created after it."""
    words = MessageRecord(
        id=cut_id(turn_id),
        turn_id=turn_id,
        role="assistant",
        text=lost.text,
        status=CUT,
        created_at=lost.went_on,
    )
    later = [record for record in records if record.created_at >= lost.went_on]
    for ids in _portions(record.id for record in later):
        connection.execute(_DELETE, {"thread": thread_id, "ids": ids})
    save_records(connection, actor, agent_id, thread_id, [words, *later])


def evict(connection: Connection, thread_id: str, ids: Collection[str]) -> None:
    """Mark messages as evicted from the window, in the connection's transaction."""
    now = utc_now()
    for some in _portions(ids):
        connection.execute(_EVICT, {"thread": thread_id, "ids": some, "now": now})


def _owner(actor: Actor) -> dict[str, str]:
    return {"organization": actor.organization_id, "user": actor.user_id}


def _portions(ids: Iterable[str]) -> Iterable[list[str]]:
    rest = iter(ids)
    while some := list(islice(rest, _IDS_A_STATEMENT)):
        yield some
