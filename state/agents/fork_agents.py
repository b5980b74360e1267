"""Copy an agent with the memory that it had at a given time."""

from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from ..tables.names import MAX_NAME, new_id
from ..tables.tables import AgentBlockRow, AgentRow, BlockRow, BlockVersionRow, PassageRow
from .actors import Actor
from .agent_rows import new_agent, settings_of
from .block_rows import add_block
from .ownership import numbers_of


def copy_agent(session: Session, actor: Actor, agent: AgentRow, name: str, moment: datetime) -> AgentRow:
    """Insert a copy of an agent of `actor` with its memory at the time `moment`.

    Its blocks become copies with their texts at that time, including blocks shared with other agents, which
    do not see later changes. Blocks and passages created later are left out.
    """
    copy = AgentRow(**new_agent(actor, name[:MAX_NAME], settings_of(agent)))
    session.add(copy)
    session.flush()
    _copy_blocks(session, actor, agent, copy, moment)
    _copy_passages(session, agent, copy, moment)
    return copy


def _copy_blocks(session: Session, actor: Actor, agent: AgentRow, copy: AgentRow, moment: datetime) -> None:
    held = select(BlockRow, AgentBlockRow.position).join(AgentBlockRow, AgentBlockRow.block_id == BlockRow.id)
    held = held.where(AgentBlockRow.agent_id == agent.id).order_by(AgentBlockRow.position)
    for block, position in session.execute(held).all():
        then = select(BlockVersionRow.value).where(
            BlockVersionRow.block_id == block.id, BlockVersionRow.changed_at <= moment
        )
        newest = then.order_by(BlockVersionRow.version.desc()).limit(1)
        value = session.scalars(newest).one_or_none()
        if value is None:
            continue
        # The limit may have been lowered since.
        limit = max(block.limit, len(value))
        row = add_block(session, actor, block.label, value, limit=limit)
        session.add(AgentBlockRow(agent_id=copy.id, block_id=row.id, position=position))


def _copy_passages(session: Session, agent: AgentRow, copy: AgentRow, moment: datetime) -> None:
    first, _ = numbers_of(copy.number)
    query = (
        select(PassageRow.text, PassageRow.context, PassageRow.tags, PassageRow.created_at)
        .where(PassageRow.agent_id == agent.id, PassageRow.created_at <= moment)
        .order_by(PassageRow.number)
    )
    rows: list[dict[str, Any]] = [
        {**row, "number": first + place, "id": new_id("passage"), "agent_id": copy.id, "indexed_at": None}
        for place, row in enumerate(session.execute(query).mappings(), start=1)
    ]
    if rows:
        session.execute(insert(PassageRow), rows)
