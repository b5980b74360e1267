"""The texts of a block over time: write, undo, redo, history."""

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import cast, select
from sqlalchemy.orm import Session

from ..database.database import Database
from ..database.paging import PageRequest, Slice, page_of_rows
from ..errors import BlockNotFound, BlockTooLong, InvalidInput
from ..tables.columns import StorableText
from ..tables.tables import BlockRow, BlockVersionRow
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

    async def get(self, actor: Actor, block_id: str) -> Block:
        """Return the block. Raises `BlockNotFound`."""
        return as_block(await self._database.read(lambda session: block_row(session, actor, block_id)))

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

        def write(session: Session) -> BlockRow:
            row = row_to_change(session, actor, block_id, expected_version)
            if limit is not None:
                row.limit = checked_limit(row.label, limit)
            text = checked_value(row.label, value, row.limit)
            if text != row.value:
                keep_version(session, row, text, changed_by)
            return row

        return as_block(await self._database.write(write))

    async def resize(
        self, actor: Actor, block_id: str, limit: int, *, expected_version: int | None = None
    ) -> Block:
        """Set the block's limit in characters; this makes no new version.

        Raises `BlockTooLong` if its text is longer, `StaleVersion`, `BlockNotFound`, `InvalidInput`.
        """

        def resize(session: Session) -> BlockRow:
            row = row_to_change(session, actor, block_id, expected_version)
            if len(row.value) > checked_limit(row.label, limit):
                raise BlockTooLong(row.label, len(row.value), limit)
            row.limit = limit
            return row

        return as_block(await self._database.write(resize))

    async def undo(self, actor: Actor, block_id: str, *, expected_version: int | None = None) -> Block:
        """Restore the text before the block's last change; each further undo goes one change back.

        It makes a new version by `undo`, so nothing is lost. Raises `NothingToUndo` at the first text,
        `StaleVersion`, `BlockTooLong` if the limit was lowered since, `BlockNotFound`.
        """
        return await self._step(actor, block_id, expected_version, UndoLine.earlier, UNDO)

    async def redo(self, actor: Actor, block_id: str, *, expected_version: int | None = None) -> Block:
        """Restore the text that the last undo replaced, as a new version by `redo`.

        Raises `NothingToUndo` if nothing was undone since the last change, and what `undo` raises.
        """
        return await self._step(actor, block_id, expected_version, UndoLine.later, REDO)

    async def history(self, actor: Actor, block_id: str) -> tuple[BlockVersion, ...]:
        """Return every version of the block, first to last. Raises `BlockNotFound`."""
        query = (
            select(BlockVersionRow)
            .where(BlockVersionRow.block_id == block_id)
            .order_by(BlockVersionRow.version)
        )

        def read(session: Session) -> Sequence[BlockVersionRow]:
            block_row(session, actor, block_id)
            return session.scalars(query).all()

        return tuple(map(as_version, await self._database.read(read)))

    async def history_page(self, actor: Actor, block_id: str, request: PageRequest) -> Slice[BlockVersion]:
        """Return a page of the block's versions, newest first; their numbers are the ids.

        Raises `BlockNotFound`, `InvalidInput`.
        """
        query = select(BlockVersionRow).where(BlockVersionRow.block_id == block_id)

        def read(session: Session) -> Slice[BlockVersion]:
            block_row(session, actor, block_id)
            return page_of_rows(
                session,
                query,
                request,
                lambda row: as_version(row[0]),
                order=[BlockVersionRow.version],
                by=cast(BlockVersionRow.version, StorableText),
                newest_first=True,
            )

        return await self._database.read(read)

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
        newest = query.order_by(BlockVersionRow.version.desc()).limit(1)
        row, version = await self._database.read(
            lambda session: (block_row(session, actor, block_id), session.scalars(newest).one_or_none())
        )
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

        def step(session: Session) -> BlockRow:
            row = row_to_change(session, actor, block_id, expected_version)
            history = [(entry[0], entry[1]) for entry in session.execute(versions)]
            wanted = session.get_one(BlockVersionRow, (block_id, target(undo_line(history), row.label)))
            value = checked_value(row.label, wanted.value, row.limit)
            keep_version(session, row, value, changed_by)
            return row

        return as_block(await self._database.write(step))
