"""Attach imported blocks to agents."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ...tables.tables import AgentBlockRow, AgentRow, BlockRow
from ..portions import portions
from .import_rows import insert_rows
from .staged_rows import ChangedMeanwhile


def lock_agents(session: Session, ids: Collection[str]) -> dict[str, int]:
    """Return the numbers of agents by id; other transactions that number rows of these agents wait.

    Raises `ChangedMeanwhile` if one is missing.
    """
    query = select(AgentRow.id, AgentRow.number).where(AgentRow.id.in_(ids)).order_by(AgentRow.number)
    rows = session.execute(query.with_for_update(key_share=True))
    numbers = {row.id: row.number for row in rows}
    if len(numbers) < len(ids):
        raise ChangedMeanwhile
    return numbers


def add_links(session: Session, wanted: Mapping[str, Sequence[str]]) -> None:
    """Attach blocks to agents, which the caller has locked, after their existing blocks.

    A block whose label an agent already has is left out. Raises `ChangedMeanwhile` if a block is missing.
    """
    ids = {block_id for block_ids in wanted.values() for block_id in block_ids}
    labels: dict[str, str] = {}
    for some in portions(sorted(ids)):
        query = select(BlockRow.id, BlockRow.label).where(BlockRow.id.in_(some))
        labels |= {row.id: row.label for row in session.execute(query)}
    if len(labels) < len(ids):
        raise ChangedMeanwhile
    held = select(AgentBlockRow.agent_id, AgentBlockRow.position, BlockRow.label)
    held = held.join(BlockRow, BlockRow.id == AgentBlockRow.block_id)
    known: dict[str, dict[str, int]] = {agent_id: {} for agent_id in wanted}
    for agent_id, position, label in session.execute(held.where(AgentBlockRow.agent_id.in_(wanted))):
        known[agent_id][label] = position
    insert_rows(session, AgentBlockRow, _rows(wanted, labels, known))


def _rows(
    wanted: Mapping[str, Sequence[str]], labels: Mapping[str, str], known: Mapping[str, dict[str, int]]
) -> Iterator[dict[str, Any]]:
    for agent_id, block_ids in wanted.items():
        positions = known[agent_id]
        last = max(positions.values(), default=-1)
        for block_id in block_ids:
            if labels[block_id] not in positions:
                last += 1
                positions[labels[block_id]] = last
                yield {"agent_id": agent_id, "block_id": block_id, "position": last}
