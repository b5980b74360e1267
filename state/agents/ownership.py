"""Ownership by actors: the conditions and look-ups that all repositories share."""

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from ..errors import AgentNotFound, ThreadNotFound
from ..tables.tables import SEQUENCE_BITS, AgentRow, Owned, ThreadRow
from .actors import Actor
from .thread_keys import thread_key, thread_name


def owned_by(actor: Actor, table: type[Owned]) -> ColumnElement[bool]:
    """Return the condition that a row of `table` belongs to `actor`."""
    return and_(table.organization_id == actor.organization_id, table.user_id == actor.user_id)


def is_agent(actor: Actor, name_or_id: str) -> ColumnElement[bool]:
    """Return the condition that an agent belongs to `actor` and has this name or id."""
    # No name looks like an id, so at most one agent matches.
    return owned_by(actor, AgentRow) & or_(AgentRow.id == name_or_id, AgentRow.name == name_or_id)


def agent_number(session: Session, actor: Actor, agent_id: str, *, lock: bool = False) -> int:
    """Return the number of an agent of `actor`. Raises `AgentNotFound`.

    With `lock`, other transactions that number rows of this agent wait (SQLite has only one writer); those
    that merely reference it do not.
    """
    query = select(AgentRow.number).where(AgentRow.id == agent_id, owned_by(actor, AgentRow))
    number = (session.execute(query.with_for_update(key_share=True) if lock else query)).scalar_one_or_none()
    if number is None:
        raise AgentNotFound(agent_id)
    return number


def require_thread(session: Session, actor: Actor, thread_id: str) -> str:
    """Return the key of the actor's thread. Raises `ThreadNotFound`."""
    key = thread_key(actor, thread_id)
    query = select(ThreadRow.id).where(ThreadRow.id == key, owned_by(actor, ThreadRow))
    if session.execute(query).first() is None:
        raise ThreadNotFound(thread_name(key))
    return key


def numbers_of(agent: int) -> tuple[int, int]:
    """Return the first and last possible number of the agent's messages and passages."""
    first = agent << SEQUENCE_BITS
    return first, first + (1 << SEQUENCE_BITS) - 1
