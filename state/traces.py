"""Traces: by what all of a user, an agent or a thread can be told, so that forgetting can be proved."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Text,
    and_,
    any_,
    cast,
    column,
    false,
    func,
    inspect,
    or_,
    select,
    table,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from .actors import Actor
from .agents import agent_row, held_by_none_but
from .database import Database
from .errors import NotFound
from .models import AgentRow, BlockRow, PassageRow, ThreadRow, UserRow
from .ownership import owned_by, require_thread
from .thread_keys import thread_key, thread_name
from .unbroken import unbroken

What = Literal["user", "agent", "thread"]

# Whole values of PostgreSQL that are no id, however large they are: to compare them would take minutes.
_NO_IDS = (postgresql.BYTEA, postgresql.TSVECTOR, postgresql.ARRAY, postgresql.JSONB)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """The ids of something and of all that hangs on it; `name` is its own id."""

    actor: Actor
    what: What
    name: str
    threads: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()
    passages: tuple[str, ...] = ()

    @property
    def thread_keys(self) -> tuple[str, ...]:
        """What the threads are stored under, checkpoints included."""
        return tuple(thread_key(self.actor, name) for name in self.threads)

    @property
    def ids(self) -> list[str]:
        """All ids: whatever row belongs to the thing holds one of them, or the user himself."""
        return [*self.thread_keys, *self.agents, *self.blocks, *self.passages]


class Traces:
    """Finds traces, and counts what is left of them. Changes nothing."""

    def __init__(self, database: Database) -> None:
        """Work on `database`."""
        self._database = database

    @unbroken
    async def of_user(self, actor: Actor) -> Trace:
        """Return the trace of the user, or raise `NotFound` when nothing is kept of one."""
        async with self._database.reading() as session:
            if await session.get(UserRow, (actor.organization_id, actor.user_id)) is None:
                raise NotFound(
                    f"no user '{actor.user_id}' in organization '{actor.organization_id}': nothing is kept"
                )
            agents = select(AgentRow.id).where(owned_by(actor, AgentRow))
            return Trace(
                actor=actor,
                what="user",
                name=actor.user_id,
                agents=await _all(session, agents),
                blocks=await _all(session, select(BlockRow.id).where(owned_by(actor, BlockRow))),
                threads=await _names(session, owned_by(actor, ThreadRow)),
                passages=await _all(session, select(PassageRow.id).where(PassageRow.agent_id.in_(agents))),
            )

    @unbroken
    async def of_agent(self, actor: Actor, name_or_id: str) -> Trace:
        """Return the trace of an agent, or raise `AgentNotFound`. Blocks that others hold are none of it."""
        async with self._database.reading() as session:
            agent_id = (await agent_row(session, actor, name_or_id)).id
            blocks = select(BlockRow.id).where(held_by_none_but(agent_id))
            return Trace(
                actor=actor,
                what="agent",
                name=agent_id,
                agents=(agent_id,),
                blocks=await _all(session, blocks),
                threads=await _names(session, ThreadRow.agent_id == agent_id),
                passages=await _all(session, select(PassageRow.id).where(PassageRow.agent_id == agent_id)),
            )

    @unbroken
    async def of_thread(self, actor: Actor, thread_id: str) -> Trace:
        """Return the trace of a thread, or raise `ThreadNotFound`."""
        async with self._database.reading() as session:
            name = thread_name(await require_thread(session, actor, thread_id))
        return Trace(actor=actor, what="thread", name=name, threads=(name,))

    @unbroken
    async def left(self, actor: Actor, trace: Trace) -> dict[str, int]:
        """Return how many rows of each table hold anything of the trace, looking at all that there are.

        Raises `NotFound` for the trace of another user.
        """
        if trace.actor != actor:
            raise NotFound("this is the trace of another user")
        left: dict[str, int] = {}
        async with self._database.reading() as session:
            connection = await session.connection()
            for name, columns in (await connection.run_sync(_tables)).items():
                query = _marked(name, columns, trace, connection.dialect.name)
                left[name] = (await session.execute(query)).scalar_one()
        return left


async def _all(session: AsyncSession, query: Select[str]) -> tuple[str, ...]:
    return tuple(await session.scalars(query))


async def _names(session: AsyncSession, condition: ColumnElement[bool]) -> tuple[str, ...]:
    keys = await session.scalars(select(ThreadRow.id).where(condition))
    return tuple(map(thread_name, keys))


def _tables(connection: Connection) -> dict[str, list[str]]:
    """Return every table of the database with its columns: of those that are not known here too."""
    look = inspect(connection)
    return {
        name: [found["name"] for found in look.get_columns(name) if not isinstance(found["type"], _NO_IDS)]
        for name in sorted(look.get_table_names())
    }


def _marked(name: str, columns: Collection[str], trace: Trace, dialect: str) -> Select[int]:
    """Return the query that counts the rows of a table that hold an id of the trace in any column."""
    of_user = _is_of_user(name, columns, trace.actor) if trace.what == "user" else false()
    found = [_is_one_of(cast(column(each, Text), Text), trace.ids, dialect) for each in columns]
    return (
        select(func.count())
        .select_from(table(name, *(column(each, Text) for each in columns)))
        .where(or_(of_user, *found))
    )


def _is_of_user(name: str, columns: Collection[str], actor: Actor) -> ColumnElement[bool]:
    user = "id" if name == UserRow.__tablename__ else "user_id"
    if not {"organization_id", user} <= set(columns):
        return false()
    return and_(column("organization_id") == actor.organization_id, column(user) == actor.user_id)


def _is_one_of(value: ColumnElement[str], ids: list[str], dialect: str) -> ColumnElement[bool]:
    # One bound value, however many ids there are: statements hold a limited number.
    if dialect == "postgresql":
        return value == any_(cast(ids, postgresql.ARRAY(Text)))
    given: Any = func.json_each(json.dumps(ids)).table_valued("value")
    return value.in_(select(given.c.value))
