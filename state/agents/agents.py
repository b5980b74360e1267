"""Agents: an identity with a prompt, model settings, tools and memory."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, delete, exists, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from typing_extensions import Unpack

from ..database.database import Database
from ..database.paging import PageRequest, Slice, page_of_rows
from ..database.shared_reads import SharedReads
from ..errors import AgentNotFound, AlreadyExists, InvalidInput, StaleVersion
from ..tables.columns import utc_now
from ..tables.names import checked_name
from ..tables.tables import AgentBlockRow, AgentRow, BlockRow, MessageRow, PassageRow
from .actors import Actor, add_actor
from .agent_rows import (
    IS_AGENT,
    Agent,
    AgentMemory,
    AgentSettings,
    as_agent,
    given_agent,
    new_agent,
    read_memory,
)
from .agent_settings import checked_changes
from .blocks import add_block
from .ownership import is_agent, owned_by

DEFAULT_AGENT = "default"
"""Name of the agent used when none is given."""

DEFAULT_BLOCKS = {
    "persona": "I am a helpful, friendly voice assistant. I keep my answers short and clear.",
    "human": "Nothing is known about the user yet.",
}
"""Blocks of an agent that is created without any."""

_LOOKS_LIKE_ID = re.compile(r"agent-[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryCounts:
    """How much an agent remembers, and when one of its blocks was last edited (`None` without blocks)."""

    messages: int
    passages: int
    edited_at: datetime | None


_EDITED_AT = (
    select(func.max(BlockRow.updated_at))
    .join(AgentBlockRow, AgentBlockRow.block_id == BlockRow.id)
    .where(AgentBlockRow.agent_id == AgentRow.id)
)
_COUNTS = select(
    select(func.count()).where(MessageRow.agent_id == AgentRow.id).scalar_subquery(),
    select(func.count()).where(PassageRow.agent_id == AgentRow.id).scalar_subquery(),
    _EDITED_AT.scalar_subquery(),
).where(IS_AGENT)


class Agents:
    """The agents of users."""

    def __init__(self, database: Database) -> None:
        """Use `database`."""
        self._database = database
        self._reading = SharedReads[AgentMemory]()
        self._counting = SharedReads[MemoryCounts | None]()

    async def create(
        self,
        actor: Actor,
        name: str,
        *,
        blocks: Mapping[str, str] | None = None,
        **settings: Unpack[AgentSettings],
    ) -> Agent:
        """Create an agent and its blocks in one transaction.

        `blocks` maps labels to texts; the default is `persona` and `human`. Raises `AlreadyExists` for a
        taken name, `InvalidSetting` for an unknown IANA time zone or settings that are not JSON,
        `InvalidInput` for an invalid name or label, `BlockTooLong`.
        """
        checked_name("agent name", name)
        if _LOOKS_LIKE_ID.fullmatch(name):
            raise InvalidInput("an agent name must not look like an agent id")
        row = AgentRow(**new_agent(actor, name, await checked_changes(settings)))

        def add(session: Session) -> None:
            add_actor(session, actor)
            session.add(row)
            session.flush()
            _add_blocks(session, actor, row.id, DEFAULT_BLOCKS if blocks is None else blocks)

        try:
            await self._database.write(add)
        except IntegrityError as error:
            raise AlreadyExists(f"an agent '{name}' exists already: choose another name") from error
        return as_agent(row)

    async def ensure_default(self, actor: Actor) -> Agent:
        """Return the agent named `default`; create it if it is missing."""
        try:
            return await self.get(actor, DEFAULT_AGENT)
        except AgentNotFound:
            pass
        try:
            return await self.create(actor, DEFAULT_AGENT)
        except AlreadyExists:
            return await self.get(actor, DEFAULT_AGENT)

    async def get(self, actor: Actor, name_or_id: str) -> Agent:
        """Return the agent. Raises `AgentNotFound`."""
        return as_agent(await self._database.read(lambda session: agent_row(session, actor, name_or_id)))

    async def list(self, actor: Actor) -> tuple[Agent, ...]:
        """Return all agents of the user, oldest first."""
        query = select(AgentRow).where(owned_by(actor, AgentRow)).order_by(AgentRow.number)
        return tuple(map(as_agent, await self._database.read(lambda session: session.scalars(query).all())))

    async def page(self, actor: Actor, request: PageRequest) -> Slice[Agent]:
        """Return a page of the user's agents, oldest first. Raises `InvalidInput`."""
        query = select(AgentRow).where(owned_by(actor, AgentRow))
        order = [AgentRow.number]
        return await self._database.read(
            lambda session: page_of_rows(
                session, query, request, lambda row: as_agent(row[0]), order=order, by=AgentRow.id
            )
        )

    async def update(
        self,
        actor: Actor,
        name_or_id: str,
        changes: AgentSettings,
        *,
        expected_version: int | None = None,
    ) -> Agent:
        """Change the given fields, which increments the agent's version; the next step of a turn sees it.

        Raises `AgentNotFound`, `StaleVersion` if the agent is no longer at `expected_version`,
        `InvalidSetting` for an unknown time zone or settings that are not JSON.
        """
        new = await checked_changes(changes)

        def change(session: Session) -> AgentRow:
            row = agent_row(session, actor, name_or_id, lock=True)
            if expected_version is not None and row.version != expected_version:
                raise StaleVersion(
                    f"agent '{row.name}' is at version {row.version}, not {expected_version}: read it again"
                )
            for name, value in new.items():
                setattr(row, name, value)
            row.version, row.updated_at = row.version + 1, utc_now()
            return row

        return as_agent(await self._database.write(change))

    async def delete(self, actor: Actor, name_or_id: str) -> None:
        """Delete the agent with its threads, messages, passages and the blocks that no other agent has."""

        def delete_agent(session: Session) -> None:
            agent_id = (agent_row(session, actor, name_or_id, lock=True)).id
            # Lock before checking for other holders: another agent may be getting one of these blocks.
            held = select(AgentBlockRow.block_id).where(AgentBlockRow.agent_id == agent_id)
            session.execute(select(BlockRow.id).where(BlockRow.id.in_(held)).with_for_update())
            session.execute(
                delete(BlockRow).where(held_by_none_but(agent_id)),
                execution_options={"synchronize_session": False},
            )
            session.execute(delete(AgentRow).where(AgentRow.id == agent_id))

        await self._database.write(delete_agent)

    async def memory(self, actor: Actor, name_or_id: str) -> AgentMemory:
        """Return the agent with its blocks, in one query. Raises `AgentNotFound`.

        Calls for the same agent share the query if it has not started yet, as when turns begin together.
        """

        async def look(begin: Callable[[], None]) -> AgentMemory:
            def read(session: Session) -> AgentMemory:
                begin()
                return read_memory(session.connection(), actor, name_or_id)

            return await self._database.read(read)

        return await self._reading.get((actor, name_or_id), look)

    async def counts(self, actor: Actor, agent_id: str) -> MemoryCounts:
        """Return how much the agent remembers, in one query. Raises `AgentNotFound`.

        Calls for the same agent share the query, as in `memory`.
        """

        async def look(begin: Callable[[], None]) -> MemoryCounts | None:
            def read(session: Session) -> MemoryCounts | None:
                begin()
                row = session.connection().execute(_COUNTS, given_agent(actor, agent_id)).one_or_none()
                return (
                    None if row is None else MemoryCounts(messages=row[0], passages=row[1], edited_at=row[2])
                )

            return await self._database.read(read)

        counts = await self._counting.get((actor, agent_id), look)
        if counts is None:
            raise AgentNotFound(agent_id)
        return counts


def held_by_none_but(agent_id: str) -> ColumnElement[bool]:
    """Return the condition that this agent has the block and no other agent does."""
    held = select(AgentBlockRow.block_id).where(AgentBlockRow.agent_id == agent_id)
    # Checked for each block: a list of all blocks of other agents would cover all users.
    others = exists().where(AgentBlockRow.block_id == BlockRow.id, AgentBlockRow.agent_id != agent_id)
    return BlockRow.id.in_(held) & ~others


def agent_row(session: Session, actor: Actor, name_or_id: str, *, lock: bool = False) -> AgentRow:
    """Return the row of an agent of `actor`, locked if `lock` is true. Raises `AgentNotFound`."""
    query = select(AgentRow).where(is_agent(actor, name_or_id))
    row = session.scalars(query.with_for_update(key_share=True) if lock else query).one_or_none()
    if row is None:
        raise AgentNotFound(name_or_id)
    return row


def _add_blocks(session: Session, actor: Actor, agent_id: str, blocks: Mapping[str, str]) -> None:
    for position, (label, value) in enumerate(blocks.items()):
        block = add_block(session, actor, label, value)
        session.add(AgentBlockRow(agent_id=agent_id, block_id=block.id, position=position))
