"""Blocks, and the statements on their rows that several modules share."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..errors import BlockNotFound, BlockTooLong, InvalidInput, StaleVersion
from ..tables.columns import encodable, utc_now
from ..tables.names import checked_name, new_id
from ..tables.tables import BlockRow, BlockVersionRow
from .actors import Actor
from .ownership import owned_by

DEFAULT_LIMIT = 5000
"""Default limit of a block, in characters."""


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
    """The text of a block at one version, and its author."""

    version: int
    value: str
    changed_by: str
    changed_at: datetime


def as_block(row: BlockRow) -> Block:
    """Return the row as a `Block`."""
    return Block(
        id=row.id,
        label=row.label,
        value=row.value,
        limit=row.limit,
        version=row.version,
        updated_at=row.updated_at,
    )


def as_version(row: BlockVersionRow) -> BlockVersion:
    """Return the row as a `BlockVersion`."""
    return BlockVersion(
        version=row.version, value=row.value, changed_by=row.changed_by, changed_at=row.changed_at
    )


def checked_limit(label: str, limit: int) -> int:
    """Return `limit`. Raises `InvalidInput` if it is less than 1."""
    if limit < 1:
        raise InvalidInput(f"the limit of block '{label}' must be at least 1 character")
    return limit


def checked_value(label: str, value: str, limit: int) -> str:
    """Return `value` as it will be stored.

    Raises `BlockTooLong`, and `InvalidInput` for a text with a NUL character: blocks are part of the system
    prompt, and neither providers nor PostgreSQL accept NUL.
    """
    if "\0" in value:
        raise InvalidInput(f"the text of block '{label}' contains a NUL character: remove it")
    value = encodable(value)
    if len(value) > limit:
        raise BlockTooLong(label, len(value), limit)
    return value


def add_block(
    session: Session, actor: Actor, label: str, value: str, *, limit: int = DEFAULT_LIMIT
) -> BlockRow:
    """Insert a new block and its first version.

    Raises `InvalidInput` for an invalid label, limit or text, `BlockTooLong`.
    """
    checked_name("block label", label)
    value = checked_value(label, value, checked_limit(label, limit))
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
    keep_version(session, row, value, "user")
    return row


def keep_version(session: Session, row: BlockRow, value: str, changed_by: str) -> None:
    """Make `value` the block's next version, and add it to the history."""
    row.value, row.version, row.updated_at = value, row.version + 1, utc_now()
    # The version refers to the block's row, which must exist first.
    session.flush()
    session.add(
        BlockVersionRow(
            block_id=row.id,
            version=row.version,
            value=value,
            changed_by=changed_by,
            changed_at=row.updated_at,
        )
    )


def block_row(session: Session, actor: Actor, block_id: str) -> BlockRow:
    """Return the row of a block of `actor`. Raises `BlockNotFound`."""
    return _one(session, actor, block_id, lock=False)


def row_to_change(
    session: Session, actor: Actor, block_id: str, expected_version: int | None = None
) -> BlockRow:
    """Return the row of a block of `actor`, locked until the end of the transaction.

    Raises `BlockNotFound`, and `StaleVersion` if it is no longer at `expected_version`.
    """
    row = _one(session, actor, block_id, lock=True)
    if expected_version is not None and row.version != expected_version:
        raise StaleVersion(
            f"block '{row.label}' is at version {row.version}, not {expected_version}: read it again"
        )
    return row


def _one(session: Session, actor: Actor, block_id: str, *, lock: bool) -> BlockRow:
    query = select(BlockRow).where(BlockRow.id == block_id, owned_by(actor, BlockRow))
    row = session.scalars(query.with_for_update(key_share=True) if lock else query).one_or_none()
    if row is None:
        raise BlockNotFound(f"no block '{block_id}'")
    return row
