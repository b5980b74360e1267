"""The one mapper of an agent's fields: from settings to a row, and from a row to what repositories return.

A new column of the table is a field of `Agent` here and, if users set it, of `AgentSettings`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, TypedDict

from sqlalchemy import Connection, and_, bindparam, or_, select

from ..errors import AgentNotFound
from ..tables.columns import utc_now
from ..tables.names import new_id
from ..tables.tables import AgentBlockRow, AgentRow, BlockRow
from .actors import Actor
from .blocks import Block


class AgentSettings(TypedDict, total=False):
    """The fields of an agent that users set; its name and id cannot change, because clients use them."""

    system: str | None
    model: str | None
    model_settings: Mapping[str, Any]
    tools: Sequence[str]
    time_zone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """An agent. The numbers of its messages and passages are derived from `number`."""

    id: str
    number: int
    name: str
    system: str | None
    model: str | None
    model_settings: Mapping[str, Any]
    tools: tuple[str, ...]
    time_zone: str
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentMemory:
    """An agent with its blocks in prompt order.

    `stamp` changes if and only if the agent, one of the blocks or their order changed.
    """

    agent: Agent
    blocks: tuple[Block, ...]
    stamp: str


SETTINGS = tuple(AgentSettings.__annotations__)
"""The columns of an agent that users set."""
_AGENT_FIELDS = [field.name for field in fields(Agent)]
_BLOCK_FIELDS = [field.name for field in fields(Block)]
_COLLECTIONS = {"model_settings": dict[str, Any], "tools": list[str]}
IS_AGENT = and_(
    AgentRow.organization_id == bindparam("organization"),
    AgentRow.user_id == bindparam("user"),
    or_(AgentRow.id == bindparam("agent"), AgentRow.name == bindparam("agent")),
)
"""The condition of `is_agent` with bound parameters; `given_agent` returns their values."""
# Every turn waits for this query: it is built once, and returns columns instead of tracked objects.
_MEMORY = (
    select(*(getattr(AgentRow, name) for name in _AGENT_FIELDS))
    .add_columns(*(getattr(BlockRow, name) for name in _BLOCK_FIELDS))
    .outerjoin(AgentBlockRow, AgentBlockRow.agent_id == AgentRow.id)
    .outerjoin(BlockRow, BlockRow.id == AgentBlockRow.block_id)
    .where(IS_AGENT)
    .order_by(AgentBlockRow.position)
)


def new_agent(actor: Actor, name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of a new agent of `actor`; settings that are not given have the table's defaults."""
    now = utc_now()
    return {
        "id": new_id("agent"),
        "organization_id": actor.organization_id,
        "user_id": actor.user_id,
        "name": name,
        **settings,
        "version": 1,
        "created_at": now,
        "updated_at": now,
    }


def settings_of(agent: object) -> dict[str, Any]:
    """Return the settings of an agent as the table takes them, from a row or from a memory file."""
    return as_columns({name: getattr(agent, name) for name in SETTINGS})


def as_columns(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with lists and dicts of their own, as the table takes them."""
    own = {name: kind(settings[name]) for name, kind in _COLLECTIONS.items() if name in settings}
    return {**settings, **own}


def as_agent(row: AgentRow) -> Agent:
    """Return the row as an `Agent`."""
    return _agent({name: getattr(row, name) for name in _AGENT_FIELDS})


def given_agent(actor: Actor, name_or_id: str) -> dict[str, str]:
    """Return the parameters of `IS_AGENT`."""
    return {"organization": actor.organization_id, "user": actor.user_id, "agent": name_or_id}


def read_memory(connection: Connection, actor: Actor, name_or_id: str) -> AgentMemory:
    """Return the agent with its blocks, in one query. Raises `AgentNotFound`."""
    rows = connection.execute(_MEMORY, given_agent(actor, name_or_id)).all()
    if not rows:
        raise AgentNotFound(name_or_id)
    agent = _agent(dict(zip(_AGENT_FIELDS, rows[0], strict=False)))
    found = [dict(zip(_BLOCK_FIELDS, row[len(_AGENT_FIELDS) :], strict=True)) for row in rows]
    blocks = tuple(Block(**block) for block in found if block["id"] is not None)
    stamp = ",".join([f"{agent.id}:{agent.version}", *(f"{block.id}:{block.version}" for block in blocks)])
    return AgentMemory(agent=agent, blocks=blocks, stamp=stamp)


def _agent(values: dict[str, Any]) -> Agent:
    """Return an agent with these column values, with its own copies of lists and dicts."""
    own: dict[str, Any] = {"model_settings": dict(values["model_settings"]), "tools": tuple(values["tools"])}
    return Agent(**{**values, **own})
