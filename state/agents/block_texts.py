"""The texts of a block over time: write, undo, redo, history."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import cast, select

from ..database.database import Database
from ..database.paging import PageRequest, Slice, page_of_rows
from ..database.uninterrupted import unbroken
from ..errors import BlockNotFound, BlockTooLong, InvalidInput
from ..tables.columns import StorableText
from ..tables.tables import BlockVersionRow
from .actors import Actor
from .block_rows import (
    Block,
    BlockVersion,
    as_block,
    as_version,
    block_row,
    checked_limit,
    checked_value,
    keep_version,
    row_to_change,
)
from .block_undo import REDO, UNDO, UndoLine, checked_author, undo_line


class BlockTexts:
    """The current and earlier texts of blocks. Earlier texts are kept until their block is deleted."""

    def __init__(self, database: Database) -> None:
        """Use `database`."""
        self._database = database

    @unbroken
    async def get(self, actor: Actor, block_id: str) -> Block:
        """Return the block. Raises `BlockNotFound`."""
        async with self._database.reading() as session:
            return as_block(await block_row(session, actor, block_id))

    @unbroken
    async def write(
        self,
        actor: Actor,
        block_id: str,
        value: str,
        *,
        limit: int | None = None,
        expected_version: int | None = None,
        changed_by: str = "user",
    ) -> Block:
        """Replace the block's text, which makes a new version unless the text is unchanged.

        `limit` changes its maximum number of characters. `changed_by` is the author in the history: `user`,
        `agent`, `memory` or any other name except `undo` and `redo`. Undone changes can no longer be redone
        afterwards. Raises `StaleVersion`, `BlockTooLong`, `BlockNotFound`, `InvalidInput` for an invalid
        limit, text or author.
        """
        checked_author(changed_by)
        async with self._database.writing() as session:
            row = await row_to_change(session, actor, block_id, expected_version)
            if limit is not None:
                row.limit = checked_limit(row.label, limit)
            value = checked_value(row.label, value, row.limit)
            if value != row.value:
                await keep_version(session, row, value, changed_by)
        return as_block(row)

    @unbroken
    async def resize(
        self, actor: Actor, block_id: str, limit: int, *, expected_version: int | None = None
    ) -> Block:
        """Set the block's limit in characters; this makes no new version.

        Raises `BlockTooLong` if its text is longer, `StaleVersion`, `BlockNotFound`, `InvalidInput`.
        """
        async with self._database.writing() as session:
            row = await row_to_change(session, actor, block_id, expected_version)
            if len(row.value) > checked_limit(row.label, limit):
                raise BlockTooLong(row.label, len(row.value), limit)
            row.limit = limit
        return as_block(row)

    @unbroken
    async def undo(self, actor: Actor, block_id: str, *, expected_version: int | None = None) -> Block:
        """Restore the text before the block's last change; each further undo goes one change back.

        It makes a new version by `undo`, so nothing is lost. Raises `NothingToUndo` at the first text,
        `StaleVersion`, `BlockTooLong` if the limit was lowered since, `BlockNotFound`.
        """
        return await self._step(actor, block_id, expected_version, UndoLine.earlier, UNDO)

    @unbroken
    async def redo(self, actor: Actor, block_id: str, *, expected_version: int | None = None) -> Block:
        """Restore the text that the last undo replaced, as a new version by `redo`.

        Raises `NothingToUndo` if nothing was undone since the last change, and what `undo` raises.
        """
        return await self._step(actor, block_id, expected_version, UndoLine.later, REDO)

    @unbroken
    async def history(self, actor: Actor, block_id: str) -> tuple[BlockVersion, ...]:
        """Return every version of the block, first to last. Raises `BlockNotFound`."""
        query = (
            select(BlockVersionRow)
            .where(BlockVersionRow.block_id == block_id)
            .order_by(BlockVersionRow.version)
        )
        async with self._database.reading() as session:
            await block_row(session, actor, block_id)
            return tuple(as_version(row) for row in await session.scalars(query))

    @unbroken
    async def history_page(self, actor: Actor, block_id: str, request: PageRequest) -> Slice[BlockVersion]:
        """Return a page of the block's versions, newest first; their numbers are the ids.

        Raises `BlockNotFound`, `InvalidInput`.
        """
        query = select(BlockVersionRow).where(BlockVersionRow.block_id == block_id)
        async with self._database.reading() as session:
            await block_row(session, actor, block_id)
            return await page_of_rows(
                session,
                query,
                request,
                lambda row: as_version(row[0]),
                order=[BlockVersionRow.version],
                by=cast(BlockVersionRow.version, StorableText),
                newest_first=True,
            )

    @unbroken
    async def as_of(self, actor: Actor, block_id: str, moment: datetime | int) -> BlockVersion:
        """Return the block's text at a version, or at a time with time zone.

        Raises `BlockNotFound` if there was no such version or the block is newer, `InvalidInput` for a time
        without time zone.
        """
        if isinstance(moment, datetime) and moment.tzinfo is None:
            raise InvalidInput("the time of a block's text needs a time zone")
        query = select(BlockVersionRow).where(BlockVersionRow.block_id == block_id)
        if isinstance(moment, datetime):
            query = query.where(BlockVersionRow.changed_at <= moment)
        else:
            query = query.where(BlockVersionRow.version == moment)
        async with self._database.reading() as session:
            row = await block_row(session, actor, block_id)
            newest = query.order_by(BlockVersionRow.version.desc()).limit(1)
            version = (await session.scalars(newest)).one_or_none()
        if version is None:
            when = f"at {moment}" if isinstance(moment, datetime) else f"of version {moment}"
            raise BlockNotFound(f"block '{row.label}' has no text {when}")
        return as_version(version)

    async def _step(
        self,
        actor: Actor,
        block_id: str,
        expected_version: int | None,
        target: Callable[[UndoLine, str], int],
        changed_by: str,
    ) -> Block:
        """Restore the text of the version that `target` returns for the block's undo line."""
        versions = (
            select(BlockVersionRow.version, BlockVersionRow.changed_by)
            .where(BlockVersionRow.block_id == block_id)
            .order_by(BlockVersionRow.version)
        )
        async with self._database.writing() as session:
            row = await row_to_change(session, actor, block_id, expected_version)
            history = [(entry[0], entry[1]) for entry in await session.execute(versions)]
            wanted = await session.get_one(BlockVersionRow, (block_id, target(undo_line(history), row.label)))
            value = checked_value(row.label, wanted.value, row.limit)
            await keep_version(session, row, value, changed_by)
        return as_block(row)
