"""Threads: the conversations of agents."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Insert, Select, bindparam, delete, exists, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ..agents.actors import Actor
from ..agents.ownership import owned_by
from ..agents.thread_keys import thread_key, thread_name
from ..database.database import Database
from ..database.grouped_writes import GroupedWrites
from ..database.paging import PageRequest, Slice, page_of_rows
from ..errors import AgentNotFound, InvalidInput, ThreadNotFound, ThreadTaken
from ..search.neighbours import WITHDRAWN
from ..tables.columns import utc_now
from ..tables.names import checked_name
from ..tables.tables import AgentRow, JournalRow, MessageRow, ThreadRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """One conversation; `id` is its name, unique for its user.

    `messages` is the number of messages without withdrawn drafts; it is `None` from `claim`, which does not
    count them. `cut_off` is true if a crash cut off the last turn and nothing was said since.
    """

    id: str
    agent_id: str
    agent_name: str
    created_at: datetime
    updated_at: datetime
    messages: int | None = None
    cut_off: bool = False


def _insert(kind: Any) -> Insert:
    """Return the statement that adds a thread, unless its id is taken or its agent is gone."""
    names = ("id", "organization_id", "user_id", "agent_id")
    given: dict[str, Any] = {name: bindparam(name) for name in names}
    now: Any = bindparam("now", type_=ThreadRow.created_at.type)
    row = select(given["id"], AgentRow.organization_id, AgentRow.user_id, AgentRow.id, now, now).where(
        AgentRow.id == given["agent_id"],
        AgentRow.organization_id == given["organization_id"],
        AgentRow.user_id == given["user_id"],
    )
    columns = ["id", "organization_id", "user_id", "agent_id", "created_at", "updated_at"]
    return kind(ThreadRow).from_select(columns, row).on_conflict_do_nothing().returning(ThreadRow.id)


_ADD = {"postgresql": _insert(postgresql.insert), "sqlite": _insert(sqlite.insert)}

_AGENTS_OF = (
    select(ThreadRow.id, AgentRow.id, AgentRow.name)
    .join(AgentRow, AgentRow.id == ThreadRow.agent_id)
    .where(ThreadRow.id.in_(bindparam("keys", expanding=True)))
    .where(ThreadRow.organization_id == bindparam("organization"), ThreadRow.user_id == bindparam("user"))
)


class Threads:
    """The threads of users. Callers choose the ids, which are unique for a user."""

    def __init__(self, database: Database) -> None:
        """Use `database`."""
        self._database = database
        self._adding = GroupedWrites[dict[str, Any], bool](database, _add)

    async def claim(self, actor: Actor, agent_id: str, thread_id: str) -> Thread:
        """Return the agent's thread with this id; create it if the id is free.

        Raises `ThreadTaken` if the thread belongs to another agent of the user or is being imported,
        `AgentNotFound`, and `InvalidInput` for an id that is not 1 to 200 characters or contains control
        characters.
        """
        checked_name("thread id", thread_id)
        known = await self._claimed(actor, agent_id, thread_id)
        if known is not None:
            return known
        now = utc_now()
        row = ThreadRow(
            id=thread_key(actor, thread_id),
            organization_id=actor.organization_id,
            user_id=actor.user_id,
            agent_id=agent_id,
            created_at=now,
            updated_at=now,
        )

        def add(session: Session) -> str:
            agent_name = _agent_name(session, actor, agent_id)
            session.add(row)
            return agent_name

        try:
            return _as_thread(row, await self._database.write(add))
        except IntegrityError:
            pass  # Another process was faster; whether for this agent is checked below.
        made = await self._claimed(actor, agent_id, thread_id)
        if made is None:
            if await self._database.read(lambda session: session.get(ThreadRow, row.id)) is not None:
                raise _taken(thread_id)
            raise ThreadNotFound(thread_id)
        return made

    async def add(self, actor: Actor, agent_id: str, thread_id: str) -> bool:
        """Create a thread of the agent; return false if the id is taken, or the agent has been deleted.

        Threads that are added at the same time share a transaction. Raises `InvalidInput` like `claim`.
        """
        checked_name("thread id", thread_id)
        return await self._adding.add(
            {
                "id": thread_key(actor, thread_id),
                "organization_id": actor.organization_id,
                "user_id": actor.user_id,
                "agent_id": agent_id,
                "now": utc_now(),
            }
        )

    async def agents_of(self, actor: Actor, thread_ids: Collection[str]) -> dict[str, tuple[str, str]]:
        """Return the agent's id and name for each of the threads that exist, by thread id."""
        names = {thread_key(actor, thread_id): thread_id for thread_id in thread_ids}
        whose = {"organization": actor.organization_id, "user": actor.user_id}
        given = {"keys": list(names), **whose}
        rows = await self._database.read(
            lambda session: session.connection().execute(_AGENTS_OF, given).all()
        )
        return {names[key]: (agent_id, name) for key, agent_id, name in rows}

    async def get(self, actor: Actor, thread_id: str) -> Thread:
        """Return the thread with the number of its messages. Raises `ThreadNotFound`."""
        query = _with_count(actor).where(ThreadRow.id == thread_key(actor, thread_id))
        row = await self._database.read(lambda session: session.execute(query).one_or_none())
        if row is None:
            raise ThreadNotFound(thread_id)
        return _as_thread(*row)

    async def list(self, actor: Actor, *, agent_id: str | None = None, limit: int = 50) -> tuple[Thread, ...]:
        """Return the `limit` most recently used threads, newest first, of one agent if given."""
        if limit < 1:
            raise InvalidInput(f"the limit must be at least 1, it is {limit}")
        query = _with_count(actor).order_by(ThreadRow.updated_at.desc(), ThreadRow.id).limit(limit)
        if agent_id is not None:
            query = query.where(ThreadRow.agent_id == agent_id)
        rows = await self._database.read(lambda session: session.execute(query).all())
        return tuple(_as_thread(*row) for row in rows)

    async def page(self, actor: Actor, request: PageRequest, *, agent_id: str | None = None) -> Slice[Thread]:
        """Return a page of the threads, the last created first, of one agent if given. Raises `InvalidInput`.

        Ordered by creation: a thread that is used while pages are read would change its place otherwise.
        """
        query = _with_count(actor)
        if agent_id is not None:
            query = query.where(ThreadRow.agent_id == agent_id)
        if request.after is not None:
            request = replace(request, after=thread_key(actor, request.after))
        return await self._database.read(
            lambda session: page_of_rows(
                session,
                query,
                request,
                lambda row: _as_thread(*row),
                order=[ThreadRow.created_at, ThreadRow.id],
                by=ThreadRow.id,
                newest_first=True,
            )
        )

    async def delete(self, actor: Actor, thread_id: str) -> None:
        """Delete the thread with its messages and tool runs. Raises `ThreadNotFound`."""
        key = thread_key(actor, thread_id)
        query = delete(ThreadRow).where(ThreadRow.id == key, owned_by(actor, ThreadRow))
        query = query.returning(ThreadRow.id)
        if await self._database.write(lambda session: session.execute(query).first()) is None:
            raise ThreadNotFound(thread_id)

    async def _claimed(self, actor: Actor, agent_id: str, thread_id: str) -> Thread | None:
        query = (
            select(ThreadRow, AgentRow.name)
            .join(AgentRow, AgentRow.id == ThreadRow.agent_id)
            .where(ThreadRow.id == thread_key(actor, thread_id), owned_by(actor, ThreadRow))
        )
        row = await self._database.read(lambda session: session.execute(query).one_or_none())
        if row is None:
            return None
        thread: ThreadRow = row[0]
        if thread.agent_id != agent_id:
            raise _taken(thread_id)
        return _as_thread(thread, row[1])


def _add(connection: Connection, row: dict[str, Any]) -> bool:
    return connection.execute(_ADD[connection.dialect.name], row).first() is not None


def _taken(thread_id: str) -> ThreadTaken:
    return ThreadTaken(f"the thread id '{thread_id}' is taken: choose another one")


def _agent_name(session: Session, actor: Actor, agent_id: str) -> str:
    query = select(AgentRow.name).where(AgentRow.id == agent_id, owned_by(actor, AgentRow))
    name = session.execute(query).scalar_one_or_none()
    if name is None:
        raise AgentNotFound(agent_id)
    return name


def _with_count(actor: Actor) -> Select[ThreadRow, str, int, bool]:
    said = MessageRow.status.is_distinct_from(WITHDRAWN)
    count = select(func.count()).where(MessageRow.thread_id == ThreadRow.id, said).scalar_subquery()
    cut_off = exists().where(JournalRow.thread_id == ThreadRow.id, JournalRow.recorded_at.is_not(None))
    return (
        select(ThreadRow, AgentRow.name, count, cut_off)
        .join(AgentRow, AgentRow.id == ThreadRow.agent_id)
        .where(owned_by(actor, ThreadRow))
    )


def _as_thread(
    thread: ThreadRow, agent_name: str, messages: int | None = None, cut_off: bool = False
) -> Thread:
    return Thread(
        id=thread_name(thread.id),
        agent_id=thread.agent_id,
        agent_name=agent_name,
        created_at=thread.created_at,
        updated_at=thread.updated_at,
        messages=messages,
        cut_off=cut_off,
    )
