"""Memory blocks: labelled texts of limited size that stand in the system prompt."""

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from ..database.paging import Cut, Slice, page_of_rows
from ..database.uninterrupted import unbroken
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
    """The blocks of users, and which agents hold them.

    Functions that change a block take `expected_version`: when the block is at another version by then, they
    change nothing and raise `StaleVersion`.
    """

    @unbroken
    async def create(
        self,
        actor: Actor,
        label: str,
        value: str,
        *,
        limit: int = DEFAULT_LIMIT,
        agent_id: str | None = None,
    ) -> Block:
        """Make a block that this agent holds, or none yet; `limit` in characters.

        Raises `BlockTooLong`, `InvalidInput` for a label, limit or text that cannot be used, `AgentNotFound`,
        `AlreadyExists` when the agent holds a block of this label.
        """
        async with self._database.writing() as session:
            await add_actor(session, actor)
            if agent_id is not None:
                await agent_number(session, actor, agent_id, lock=True)
            row = await add_block(session, actor, label, value, limit=limit)
            if agent_id is not None:
                await attach_block(session, agent_id, row)
        return as_block(row)

    @unbroken
    async def list(self, actor: Actor) -> tuple[Block, ...]:
        """Return all blocks of the user, the oldest first."""
        query = select(BlockRow).where(owned_by(actor, BlockRow)).order_by(BlockRow.created_at, BlockRow.id)
        async with self._database.reading() as session:
            return tuple(as_block(row) for row in await session.scalars(query))

    @unbroken
    async def page(self, actor: Actor, cut: Cut) -> Slice[Block]:
        """Return a page of the blocks of the user, the oldest first. Raises `InvalidInput`."""
        query = select(BlockRow).where(owned_by(actor, BlockRow))
        order = [BlockRow.created_at, BlockRow.id]
        async with self._database.reading() as session:
            return await page_of_rows(
                session, query, cut, lambda row: as_block(row[0]), order=order, by=BlockRow.id
            )

    @unbroken
    async def of_agent(self, actor: Actor, agent_id: str) -> tuple[Block, ...]:
        """Return the blocks that the agent holds, in the order of the prompt. Raises `AgentNotFound`."""
        return await self._of_agent(actor, agent_id)

    @unbroken
    async def by_label(self, actor: Actor, agent_id: str, label: str) -> Block:
        """Return the block that the agent holds under `label`.

        Raises `AgentNotFound`, and `BlockNotFound` that names the labels that there are.
        """
        blocks = await self._of_agent(actor, agent_id)
        for block in blocks:
            if block.label == label:
                return block
        labels = ", ".join(block.label for block in blocks) or "none"
        raise BlockNotFound(f"the agent holds no block '{label[:64]}' (it holds: {labels})")

    @unbroken
    async def attach(self, actor: Actor, agent_id: str, block_id: str) -> None:
        """Let the agent hold the block, behind those that it has; it may hold it already.

        Any number of agents may hold one block: what one changes, all see. Raises `AlreadyExists` when the
        agent holds another block of this label, `AgentNotFound`, `BlockNotFound`.
        """
        async with self._database.writing() as session:
            await agent_number(session, actor, agent_id, lock=True)
            await attach_block(session, agent_id, await row_to_change(session, actor, block_id))

    @unbroken
    async def detach(self, actor: Actor, agent_id: str, block_id: str) -> None:
        """Take the block from the agent; the block itself stays. Raises `BlockNotFound` if not held."""
        query = delete(AgentBlockRow).where(
            AgentBlockRow.agent_id == agent_id, AgentBlockRow.block_id == block_id
        )
        async with self._database.writing() as session:
            await agent_number(session, actor, agent_id)
            if (await session.execute(query.returning(AgentBlockRow.block_id))).first() is None:
                raise BlockNotFound(f"agent '{agent_id}' holds no block '{block_id}'")

    @unbroken
    async def delete(self, actor: Actor, block_id: str, *, expected_version: int | None = None) -> None:
        """Delete the block with its history; agents that held it hold it no more.

        Raises `StaleVersion`, `BlockNotFound`.
        """
        async with self._database.erasing() as session:
            await session.delete(await row_to_change(session, actor, block_id, expected_version))

    async def _of_agent(self, actor: Actor, agent_id: str) -> tuple[Block, ...]:
        query = (
            select(BlockRow)
            .join(AgentBlockRow, AgentBlockRow.block_id == BlockRow.id)
            .join(AgentRow, AgentRow.id == AgentBlockRow.agent_id)
            .where(AgentRow.id == agent_id, owned_by(actor, AgentRow))
            .order_by(AgentBlockRow.position)
        )
        async with self._database.reading() as session:
            blocks = tuple(as_block(row) for row in await session.scalars(query))
            if not blocks:
                await agent_number(session, actor, agent_id)
        return blocks


async def attach_block(session: AsyncSession, agent_id: str, block: BlockRow) -> None:
    """Let the agent, which the caller has locked, hold the block behind those that it has.

    Raises `AlreadyExists` when it holds another block of this label.
    """
    held = select(BlockRow.id, BlockRow.label).join(AgentBlockRow, AgentBlockRow.block_id == BlockRow.id)
    for held_id, label in await session.execute(held.where(AgentBlockRow.agent_id == agent_id)):
        if held_id == block.id:
            return
        if label == block.label:
            raise AlreadyExists(f"the agent already holds a block '{label}': detach it first")
    last = select(func.coalesce(func.max(AgentBlockRow.position), -1)).where(
        AgentBlockRow.agent_id == agent_id
    )
    position = (await session.execute(last)).scalar_one() + 1
    session.add(AgentBlockRow(agent_id=agent_id, block_id=block.id, position=position))
