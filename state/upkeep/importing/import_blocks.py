"""Import blocks with their histories."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from ...agents.actors import Actor, add_importing, importing
from ...tables.tables import BlockRow, BlockVersionRow
from ..memory_file import FileBlock, FileBlockVersion, MemoryFile
from ..portions import MOST_ROWS, portions, weight
from .import_ids import Place, agent_places, block_places
from .import_links import add_links, lock_agents
from .import_rows import insert_rows
from .imported import Import
from .staged_rows import publish


@dataclass(frozen=True, slots=True)
class _Block:
    """A block of the file, and the existing agents that have it in the file."""

    file: FileBlock
    holders: Sequence[str]

    @property
    def weight(self) -> int:
        """The number of rows that the whole block counts as."""
        return 1 + len(self.holders) + sum(map(_weight, self.file.versions))


async def import_blocks(going_on: Import, file: MemoryFile) -> dict[str, str]:
    """Add the blocks that the user lacks; return the stored ids of all by their ids in the file.

    An added block is attached to existing agents in the same transaction. An existing block is not: if such
    an agent lacks it, it was detached on purpose.
    """
    ids: dict[str, str] = {}
    for some in portions(await _with_holders(going_on, file), lambda block: block.weight):
        if len(some) == 1 and some[0].weight > MOST_ROWS:
            ids |= await _add_large(going_on, some[0])
        else:
            added, places = await going_on.write(
                lambda session, some=some: _add(session, going_on.actor, some)
            )
            going_on.count(blocks=added)
            ids |= places
    return ids


async def _with_holders(going_on: Import, file: MemoryFile) -> Iterator[_Block]:
    agents = [agent for agent in file.agents if agent.blocks]
    places: dict[str, Place] = {}
    for some in portions(agent.id for agent in agents):
        places |= await going_on.read(lambda session, some=some: agent_places(session, going_on.actor, some))
    holders: dict[str, list[str]] = {}
    for agent in agents:
        # In the order of the agents' blocks, which is that of their prompts.
        for block_id in agent.blocks:
            holders.setdefault(block_id, []).extend([places[agent.id].id] * places[agent.id].there)
    for block in file.blocks:
        holders.setdefault(block.id, [])
    blocks = {block.id: block for block in file.blocks}
    return (_Block(blocks[block_id], agents) for block_id, agents in holders.items())


def _add(session: Session, actor: Actor, blocks: Sequence[_Block]) -> tuple[int, dict[str, str]]:
    places = block_places(session, actor, [block.file.id for block in blocks])
    ids = {block_id: place.id for block_id, place in places.items()}
    fresh = [block for block in blocks if not places[block.file.id].there]
    insert_rows(session, BlockRow, (_row(actor, block.file, ids) for block in fresh))
    versions = (
        {"block_id": ids[block.file.id], **entry.model_dump()}
        for block in fresh
        for entry in block.file.versions
    )
    insert_rows(session, BlockVersionRow, versions)
    wanted: dict[str, list[str]] = {}
    for block in fresh:
        for agent_id in block.holders:
            wanted.setdefault(agent_id, []).append(ids[block.file.id])
    _hold(session, wanted)
    return len(fresh), ids


async def _add_large(going_on: Import, block: _Block) -> dict[str, str]:
    """Add a block that does not fit into one transaction; it becomes visible in the last one."""
    actor = going_on.actor

    def begin(session: Session) -> tuple[str, bool]:
        place = (block_places(session, actor, [block.file.id]))[block.file.id]
        if not place.there:
            add_importing(session, actor)
            row = _row(importing(actor), block.file, {block.file.id: place.id})
            insert_rows(session, BlockRow, [row])
        return place.id, place.there

    block_id, there = await going_on.write(begin)
    if there:
        return {block.file.id: block_id}
    going_on.staged = True
    for some in portions(block.file.versions, _weight):
        rows = ({"block_id": block_id, **entry.model_dump()} for entry in some)
        await going_on.write(lambda session, rows=rows: insert_rows(session, BlockVersionRow, rows))
    *others, last = list(portions(block.holders)) or [[]]
    for holders in others:
        wanted = dict.fromkeys(holders, [block_id])
        await going_on.write(lambda session, wanted=wanted: _hold(session, wanted))

    def end(session: Session) -> None:
        whole = BlockRow.version == block.file.versions[-1].version
        publish(session, actor, BlockRow, [block_id], whole)
        _hold(session, dict.fromkeys(last, [block_id]))

    await going_on.write(end)
    going_on.count(blocks=1)
    return {block.file.id: block_id}


def _hold(session: Session, wanted: Mapping[str, Sequence[str]]) -> None:
    if wanted:
        lock_agents(session, wanted)
        add_links(session, wanted)


def _weight(entry: FileBlockVersion) -> int:
    return weight(entry.value)


def _row(owner: Actor, block: FileBlock, ids: Mapping[str, str]) -> dict[str, Any]:
    first, last = block.versions[0], block.versions[-1]
    return {
        "id": ids[block.id],
        "organization_id": owner.organization_id,
        "user_id": owner.user_id,
        "label": block.label,
        "value": last.value,
        "limit": block.limit,
        "version": last.version,
        "created_at": first.changed_at,
        "updated_at": last.changed_at,
    }
