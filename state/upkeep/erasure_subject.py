"""Collect the ids of everything that belongs to a user, an agent or a thread, to prove its erasure."""

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session

from ..agents.actors import Actor, importing
from ..agents.agents import agent_row, held_by_none_but
from ..agents.ownership import owned_by, require_thread
from ..agents.thread_keys import thread_key, thread_name
from ..database.database import Database
from ..errors import NotFound
from ..tables.tables import AgentRow, BlockRow, Owned, PassageRow, ThreadRow, UserRow
from .rows_with_ids import count_rows_with_ids

What = Literal["user", "agent", "thread"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureSubject:
    """The ids of an object and of everything that belongs to it; `name` is its own id."""

    actor: Actor
    what: What
    name: str
    threads: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()
    passages: tuple[str, ...] = ()

    @property
    def thread_keys(self) -> tuple[str, ...]:
        """The keys under which the threads are stored, including their checkpoints."""
        return tuple(thread_key(self.actor, name) for name in self.threads)

    @property
    def ids(self) -> list[str]:
        """All ids: every row that belongs to the object contains one of them, or the user's own id."""
        return [*self.thread_keys, *self.agents, *self.blocks, *self.passages]


class ErasureSubjects:
    """Collects ids and counts what is left of them. Changes nothing."""

    def __init__(self, database: Database) -> None:
        """Use `database`."""
        self._database = database

    async def of_user(self, actor: Actor) -> ErasureSubject:
        """Return the user as a subject. Raises `NotFound` if nothing is stored for one."""

        def read(session: Session) -> ErasureSubject:
            if session.get(UserRow, (actor.organization_id, actor.user_id)) is None:
                raise NotFound(
                    f"no user '{actor.user_id}' in organization '{actor.organization_id}': nothing is stored"
                )
            agents = select(AgentRow.id).where(_all_of(actor, AgentRow))
            return ErasureSubject(
                actor=actor,
                what="user",
                name=actor.user_id,
                agents=_all(session, agents),
                blocks=_all(session, select(BlockRow.id).where(_all_of(actor, BlockRow))),
                threads=_names(session, _all_of(actor, ThreadRow)),
                passages=_all(session, select(PassageRow.id).where(PassageRow.agent_id.in_(agents))),
            )

        return await self._database.read(read)

    async def of_agent(self, actor: Actor, name_or_id: str) -> ErasureSubject:
        """Return an agent as a subject, without blocks shared with other agents. Raises `AgentNotFound`."""

        def read(session: Session) -> ErasureSubject:
            agent_id = (agent_row(session, actor, name_or_id)).id
            blocks = select(BlockRow.id).where(held_by_none_but(agent_id))
            return ErasureSubject(
                actor=actor,
                what="agent",
                name=agent_id,
                agents=(agent_id,),
                blocks=_all(session, blocks),
                threads=_names(session, ThreadRow.agent_id == agent_id),
                passages=_all(session, select(PassageRow.id).where(PassageRow.agent_id == agent_id)),
            )

        return await self._database.read(read)

    async def of_thread(self, actor: Actor, thread_id: str) -> ErasureSubject:
        """Return a thread as a subject. Raises `ThreadNotFound`."""
        key = await self._database.read(lambda session: require_thread(session, actor, thread_id))
        name = thread_name(key)
        return ErasureSubject(actor=actor, what="thread", name=name, threads=(name,))

    async def left(self, actor: Actor, subject: ErasureSubject) -> dict[str, int]:
        """Return how many rows of each table of the database belong to the subject.

        Raises `NotFound` if it belongs to another user.
        """
        if subject.actor != actor:
            raise NotFound("this belongs to another user")
        user = actor if subject.what == "user" else None
        return await self._database.read(
            lambda session: count_rows_with_ids(session.connection(), subject.ids, user)
        )


def _all_of(actor: Actor, table: type[Owned]) -> ColumnElement[bool]:
    """Return the condition that a row belongs to the actor, or is being imported for them."""
    return owned_by(actor, table) | owned_by(importing(actor), table)


def _all(session: Session, query: Select[str]) -> tuple[str, ...]:
    return tuple(session.scalars(query))


def _names(session: Session, condition: ColumnElement[bool]) -> tuple[str, ...]:
    keys = session.scalars(select(ThreadRow.id).where(condition))
    return tuple(map(thread_name, keys))
