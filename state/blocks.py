"""Memory blocks: labelled texts of limited size that stand in the system prompt."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from .actors import Actor, add_actor
from .columns import utc_now
from .database import Database
from .errors import AlreadyExists, BlockNotFound, BlockTooLong, InvalidInput, StaleVersion
from .models import AgentBlockRow, AgentRow, BlockRow, BlockVersionRow
from .names import checked_name, new_id
from .ownership import agent_number, owned_by
from .unbroken import unbroken

DEFAULT_LIMIT = 5000
"""Characters that a block holds unless it is made with another limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A memory block at its newest version; `limit` in characters."""

    id: str
    label: str
    value: str
    limit: int
    version: int
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockVersion:
    """The text that a block had at one version, and who wrote it."""

    version: int
    value: str
    changed_by: str
    changed_at: datetime


def as_block(row: BlockRow) -> Block:
    """Return a row as what repositories give out."""
    return Block(
        id=row.id,
        label=row.label,
        value=row.value,
        limit=row.limit,
        version=row.version,
        updated_at=row.updated_at,
    )


async def add_block(
    session: AsyncSession, actor: Actor, label: str, value: str, *, limit: int = DEFAULT_LIMIT
) -> BlockRow:
    """Write a new block and its first version.

    Raises `InvalidInput` for a label or limit that cannot be used, `BlockTooLong` for a value over the limit.
    """
    checked_name("block label", label)
    if limit < 1:
        raise InvalidInput(f"the limit of block '{label}' must be at least 1 character")
    if len(value) > limit:
        raise BlockTooLong(label, len(value), limit)
    row = BlockRow(
        id=new_id("block"),
        organization_id=actor.organization_id,
        user_id=actor.user_id,
        label=label,
        limit=limit,
        version=0,
        created_at=utc_now(),
    )
    session.add(row)
    await _keep_version(session, row, value, "user")
    return row


async def _keep_version(session: AsyncSession, row: BlockRow, value: str, changed_by: str) -> None:
    """Make `value` the block's next version, and keep it in the history."""
    row.value, row.version, row.updated_at = value, row.version + 1, utc_now()
    # The block's row must be there before its version refers to it.
    await session.flush()
    session.add(
        BlockVersionRow(
            block_id=row.id,
            version=row.version,
            value=value,
            changed_by=changed_by,
            changed_at=row.updated_at,
        )
    )


class Blocks:
    """The blocks of users, and which agents hold them."""

    def __init__(self, database: Database) -> None:
        """Work on `database`."""
        self._database = database

    @unbroken
    async def create(self, actor: Actor, label: str, value: str, *, limit: int = DEFAULT_LIMIT) -> Block:
        """Make a block that no agent holds yet; `limit` in characters.

        Raises `BlockTooLong`, and `InvalidInput` for a label that cannot be used.
        """
        async with self._database.writing() as session:
            await add_actor(session, actor)
            row = await add_block(session, actor, label, value, limit=limit)
        return as_block(row)

    @unbroken
    async def get(self, actor: Actor, block_id: str) -> Block:
        """Return the block, or raise `BlockNotFound`."""
        async with self._database.reading() as session:
            return as_block(await _row(session, actor, block_id))

    @unbroken
    async def list(self, actor: Actor) -> tuple[Block, ...]:
        """Return all blocks of the user, the oldest first."""
        query = select(BlockRow).where(owned_by(actor, BlockRow)).order_by(BlockRow.created_at, BlockRow.id)
        async with self._database.reading() as session:
            return tuple(as_block(row) for row in await session.scalars(query))

    @unbroken
    async def of_agent(self, actor: Actor, agent_id: str) -> tuple[Block, ...]:
        """Return the blocks that the agent holds, in the order of the prompt."""
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

    @unbroken
    async def write(
        self,
        actor: Actor,
        block_id: str,
        value: str,
        *,
        expected_version: int | None = None,
        changed_by: str = "user",
    ) -> Block:
        """Give the block a new text, which makes a new version unless the text is the same.

        Raises `StaleVersion` when the block is not at `expected_version` any more, `BlockTooLong`,
        `BlockNotFound`.
        """
        async with self._database.writing() as session:
            row = await _row(session, actor, block_id, lock=True)
            if expected_version is not None and row.version != expected_version:
                raise StaleVersion(
                    f"block '{row.label}' is at version {row.version}, not {expected_version}: read it again"
                )
            if len(value) > row.limit:
                raise BlockTooLong(row.label, len(value), row.limit)
            if value != row.value:
                await _keep_version(session, row, value, changed_by)
        return as_block(row)

    @unbroken
    async def history(self, actor: Actor, block_id: str) -> tuple[BlockVersion, ...]:
        """Return every version of the block, the first one first."""
        query = (
            select(BlockVersionRow)
            .where(BlockVersionRow.block_id == block_id)
            .order_by(BlockVersionRow.version)
        )
        async with self._database.reading() as session:
            await _row(session, actor, block_id)
            return tuple(
                BlockVersion(
                    version=row.version,
                    value=row.value,
                    changed_by=row.changed_by,
                    changed_at=row.changed_at,
                )
                for row in await session.scalars(query)
            )

    @unbroken
    async def attach(self, actor: Actor, agent_id: str, block_id: str) -> None:
        """Let the agent hold the block, behind those that it has; it may hold it already.

        Raises `AlreadyExists` when it holds another block of this label.
        """
        async with self._database.writing() as session:
            await agent_number(session, actor, agent_id, lock=True)
            await _attach(session, agent_id, await _row(session, actor, block_id, lock=True))

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
    async def delete(self, actor: Actor, block_id: str) -> None:
        """Delete the block with its history; agents that held it hold it no more."""
        async with self._database.writing() as session:
            await session.delete(await _row(session, actor, block_id))


async def _row(session: AsyncSession, actor: Actor, block_id: str, *, lock: bool = False) -> BlockRow:
    query = select(BlockRow).where(BlockRow.id == block_id, owned_by(actor, BlockRow))
    row = (await session.scalars(query.with_for_update() if lock else query)).one_or_none()
    if row is None:
        raise BlockNotFound(f"no block '{block_id}'")
    return row


async def _attach(session: AsyncSession, agent_id: str, block: BlockRow) -> None:
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
