"""Rows of an import that do not fit into one transaction: nobody sees them before all are there.

They belong to a user that no caller can name, see `importing`. In the last transaction they get their owner.
A row that an import left when it was broken off is removed by the next import that finds it in its way.
"""

import time
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import delete, exists, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from .actors import Actor, importing
from .database import Database
from .models import (
    AgentBlockRow,
    AgentRow,
    BlockRow,
    BlockVersionRow,
    MessageRow,
    PassageRow,
    ThreadRow,
    UserRow,
)
from .ownership import owned_by
from .portions import MOST_ROWS, rest

Staged = type[AgentRow] | type[BlockRow] | type[ThreadRow]


class LeftOver(Exception):
    """Raised in a transaction that finds rows of an import that was broken off: they are removed first."""

    def __init__(self, table: Staged, ids: Collection[str]) -> None:
        """Name the rows."""
        super().__init__(table.__tablename__)
        self.table, self.ids = table, ids


class ChangedMeanwhile(Exception):
    """Raised when what is being imported is not as the import left it: somebody else changed it."""


async def publish(
    session: AsyncSession, actor: Actor, table: Staged, ids: Sequence[str], **changes: Any
) -> None:
    """Give rows that are complete to `actor`. Raises `ChangedMeanwhile` unless all are there."""
    staged = update(table).where(table.id.in_(ids), owned_by(importing(actor), table))
    published = staged.values(user_id=actor.user_id, **changes).returning(table.id)
    done = await session.scalars(published, execution_options={"synchronize_session": False})
    if len(done.all()) < len(ids):
        raise ChangedMeanwhile


async def remove(database: Database, table: Staged, ids: Collection[str]) -> None:
    """Delete rows with all that hangs on them, a portion in each transaction."""
    for id_ in ids:
        for key, of_one in _hanging(table, id_):
            await _delete(database, key, of_one)
        async with database.erasing() as session:
            await session.execute(delete(table).where(table.id == id_))


async def _delete(database: Database, key: Any, of_one: Any) -> None:
    some = select(key).where(of_one).limit(MOST_ROWS)
    query = delete(key.class_).where(of_one, key.in_(some)).returning(key)
    gone = MOST_ROWS
    while gone == MOST_ROWS:
        began = time.monotonic()
        async with database.erasing() as session:
            rows = await session.scalars(query, execution_options={"synchronize_session": False})
            gone = len(rows.all())
        await rest(database, began)


def _hanging(table: Staged, id_: str) -> list[tuple[Any, Any]]:
    """Return what refers to a row: a key, and the condition of the rows that go."""
    if table is ThreadRow:
        return [(MessageRow.number, MessageRow.thread_id == id_)]
    if table is BlockRow:
        return [
            (BlockVersionRow.version, BlockVersionRow.block_id == id_),
            (AgentBlockRow.agent_id, AgentBlockRow.block_id == id_),
        ]
    return [
        (MessageRow.number, MessageRow.agent_id == id_),
        (PassageRow.number, PassageRow.agent_id == id_),
        (ThreadRow.id, ThreadRow.agent_id == id_),
        (AgentBlockRow.block_id, AgentBlockRow.agent_id == id_),
    ]


async def remove_owner(session: AsyncSession, actor: Actor) -> None:
    """Delete the user that owned staged rows of `actor`, unless there are some of another import."""
    who = importing(actor)
    # Whoever stages a row meanwhile waits, and then finds no user.
    if await session.get(UserRow, (who.organization_id, who.user_id), with_for_update=True) is None:
        return
    some = [exists(select(table.id).where(owned_by(who, table))) for table in (AgentRow, BlockRow, ThreadRow)]
    none = delete(UserRow).where(
        UserRow.organization_id == who.organization_id, UserRow.id == who.user_id, *(~each for each in some)
    )
    await session.execute(none, execution_options={"synchronize_session": False})
