"""Memory blocks: labelled texts of limited size in the system prompt."""

from collections.abc import Sequence

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from ..database.paging import PageRequest, Slice, page_of_rows
from ..errors import AlreadyExists, BlockNotFound
from ..tables.tables import AgentBlockRow, AgentRow, BlockRow
from .actors import Actor, add_actor
from .block_rows import (
    DEFAULT_LIMIT,
    Block,
    BlockVersion,
    add_block,
    as_block,
    row_to_change,
)
from .block_texts import BlockTexts
from .ownership import agent_number, owned_by

__all__ = ["DEFAULT_LIMIT", "Block", "BlockVersion", "Blocks", "add_block", "as_block", "attach_block"]


class Blocks(BlockTexts):
    """The blocks of users, and the agents that they are attached to.

    Functions that change a block take `expected_version`: if the block is at another version, they change
    nothing and raise `StaleVersion`.
    """

    async def create(
        self,
        actor: Actor,
        label: str,
        value: str,
        *,
        limit: int = DEFAULT_LIMIT,
        agent_id: str | None = None,
    ) -> Block:
        """Create a block, attached to this agent if given; `limit` in characters.

        Raises `BlockTooLong`, `InvalidInput` for an invalid label, limit or text, `AgentNotFound`,
        `AlreadyExists` if the agent has a block with this label.
        """

        def create(session: Session) -> BlockRow:
            add_actor(session, actor)
            if agent_id is not None:
                agent_number(session, actor, agent_id, lock=True)
            row = add_block(session, actor, label, value, limit=limit)
            if agent_id is not None:
                attach_block(session, agent_id, row)
            return row

        return as_block(await self._database.write(create))

    async def list(self, actor: Actor) -> tuple[Block, ...]:
        """Return all blocks of the user, oldest first."""
        query = select(BlockRow).where(owned_by(actor, BlockRow)).order_by(BlockRow.created_at, BlockRow.id)
        return tuple(map(as_block, await self._database.read(lambda session: session.scalars(query).all())))

    async def page(self, actor: Actor, request: PageRequest) -> Slice[Block]:
        """Return a page of the user's blocks, oldest first. Raises `InvalidInput`."""
        query = select(BlockRow).where(owned_by(actor, BlockRow))
        order = [BlockRow.created_at, BlockRow.id]
        return await self._database.read(
            lambda session: page_of_rows(
                session, query, request, lambda row: as_block(row[0]), order=order, by=BlockRow.id
            )
        )

    async def of_agent(self, actor: Actor, agent_id: str) -> tuple[Block, ...]:
        """Return the agent's blocks in prompt order. Raises `AgentNotFound`."""
        query = (
            select(BlockRow)
            .join(AgentBlockRow, AgentBlockRow.block_id == BlockRow.id)
            .join(AgentRow, AgentRow.id == AgentBlockRow.agent_id)
            .where(AgentRow.id == agent_id, owned_by(actor, AgentRow))
            .order_by(AgentBlockRow.position)
        )

        def read(session: Session) -> Sequence[BlockRow]:
            rows = session.scalars(query).all()
            if not rows:
                agent_number(session, actor, agent_id)
            return rows

        return tuple(map(as_block, await self._database.read(read)))

    async def by_label(self, actor: Actor, agent_id: str, label: str) -> Block:
        """Return the agent's block with this label.

        Raises `AgentNotFound`, and `BlockNotFound`, which lists the existing labels.
        """
        blocks = await self.of_agent(actor, agent_id)
        for block in blocks:
            if block.label == label:
                return block
        labels = ", ".join(block.label for block in blocks) or "none"
        raise BlockNotFound(f"the agent has no block '{label[:64]}' (it has: {labels})")

    async def attach(self, actor: Actor, agent_id: str, block_id: str) -> None:
        """Attach the block to the agent, after its other blocks; attaching it again does nothing.

        Any number of agents can share one block. Raises `AlreadyExists` if the agent has another block with
        this label, `AgentNotFound`, `BlockNotFound`.
        """

        def attach(session: Session) -> None:
            agent_number(session, actor, agent_id, lock=True)
            attach_block(session, agent_id, row_to_change(session, actor, block_id))

        await self._database.write(attach)

    async def detach(self, actor: Actor, agent_id: str, block_id: str) -> None:
        """Detach the block from the agent without deleting it. Raises `BlockNotFound` if not attached."""
        query = delete(AgentBlockRow).where(
            AgentBlockRow.agent_id == agent_id, AgentBlockRow.block_id == block_id
        )

        def detach(session: Session) -> None:
            agent_number(session, actor, agent_id)
            if session.execute(query.returning(AgentBlockRow.block_id)).first() is None:
                raise BlockNotFound(f"agent '{agent_id}' has no block '{block_id}'")

        await self._database.write(detach)

    async def delete(self, actor: Actor, block_id: str, *, expected_version: int | None = None) -> None:
        """Delete the block with its history, and detach it from all agents.

        Raises `StaleVersion`, `BlockNotFound`.
        """
        await self._database.write(
            lambda session: session.delete(row_to_change(session, actor, block_id, expected_version))
        )


def attach_block(session: Session, agent_id: str, block: BlockRow) -> None:
    """Attach the block to the agent, which the caller has locked, after its other blocks.

    Raises `AlreadyExists` if it has another block with this label.
    """
    held = select(BlockRow.id, BlockRow.label).join(AgentBlockRow, AgentBlockRow.block_id == BlockRow.id)
    for held_id, label in session.execute(held.where(AgentBlockRow.agent_id == agent_id)):
        if held_id == block.id:
            return
        if label == block.label:
            raise AlreadyExists(f"the agent already has a block '{label}': detach it first")
    last = select(func.coalesce(func.max(AgentBlockRow.position), -1)).where(
        AgentBlockRow.agent_id == agent_id
    )
    position = session.execute(last).scalar_one() + 1
    session.add(AgentBlockRow(agent_id=agent_id, block_id=block.id, position=position))
