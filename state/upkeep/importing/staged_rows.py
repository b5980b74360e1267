"""Staged rows of an import that does not fit into one transaction: invisible until they are complete.

They belong to a user that no caller can name, see `importing`. The last transaction changes their owner. Rows
left by an interrupted import are removed by the next import that needs their ids.
"""

import time
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import delete, exists, select, update
from sqlalchemy.orm import Session

from ...agents.actors import IMPORTING, Actor, importing
from ...agents.ownership import owned_by
from ...database.database import Database
from ...tables.tables import (
    AgentBlockRow,
    AgentRow,
    BlockRow,
    BlockVersionRow,
    MessageRow,
    PassageRow,
    ThreadRow,
    UserRow,
)
from ..portions import MOST_ROWS, rest

_UNWATCHED = {"synchronize_session": False}

Staged = type[AgentRow] | type[BlockRow] | type[ThreadRow]


class LeftOver(Exception):
    """Raised in a transaction that finds rows of an interrupted import; they are removed first."""

    def __init__(self, table: Staged, ids: Collection[str]) -> None:
        """Store the table and the ids of the rows."""
        super().__init__(table.__tablename__)
        self.table, self.ids = table, ids


class ChangedMeanwhile(Exception):
    """Raised if imported rows are not as the import left them: another process changed them."""


def publish(
    session: Session, actor: Actor, table: Staged, ids: Sequence[str], *also: Any, **changes: Any
) -> None:
    """Give complete rows to `actor`, with other changes.

    Raises `ChangedMeanwhile` unless all rows exist and meet the conditions `also`.
    """
    staged = update(table).where(table.id.in_(ids), owned_by(importing(actor), table), *also)
    published = staged.values(user_id=actor.user_id, **changes).returning(table.id)
    done = session.scalars(published, execution_options=_UNWATCHED)
    if len(done.all()) < len(ids):
        raise ChangedMeanwhile


async def remove(database: Database, table: Staged, ids: Collection[str]) -> None:
    """Delete staged rows with everything that belongs to them, a portion per transaction.

    If their import is still running, it notices when it publishes them: an agent or block has version 0, a
    thread has fewer messages. A row that was published meanwhile stays.
    """
    for id_ in ids:
        steps: list[Any] = [*_hiding(table, id_), *_deleting(table, id_)]
        if issubclass(table, AgentRow | BlockRow):
            steps.insert(0, update(table).where(table.id == id_, table.version > 0).values(version=0))
        for step in (*steps, delete(table).where(table.id == id_)):
            while await _carry_out(database, table, id_, step) == MOST_ROWS:
                pass


async def _carry_out(database: Database, table: Staged, id_: str, step: Any) -> int:
    """Run a step while the row is staged; return the number of changed rows."""
    began = time.monotonic()
    staged = select(table.id).where(table.id == id_, table.user_id.endswith(IMPORTING)).with_for_update()

    def carry_out(session: Session) -> int:
        if session.execute(staged).first() is None:
            return 0
        key = step.table.primary_key.columns[0]
        return len(session.scalars(step.returning(key), execution_options=_UNWATCHED).all())

    changed = await database.write(carry_out)
    await rest(database, began)
    return changed


def _hiding(table: Staged, id_: str) -> list[Any]:
    """Return the statements that hide an agent's threads that were already published."""
    if table is not AgentRow:
        return []
    owner = select(AgentRow.user_id).where(AgentRow.id == id_).scalar_subquery()
    visible = select(ThreadRow.id).where(ThreadRow.agent_id == id_, ThreadRow.user_id != owner)
    return [update(ThreadRow).where(ThreadRow.id.in_(visible.limit(MOST_ROWS))).values(user_id=owner)]


def _deleting(table: Staged, id_: str) -> list[Any]:
    """Return the statements that delete the rows that refer to a row."""
    if table is ThreadRow:
        return [_some(MessageRow.number, MessageRow.thread_id == id_)]
    if table is BlockRow:
        return [
            _some(BlockVersionRow.version, BlockVersionRow.block_id == id_),
            _some(AgentBlockRow.agent_id, AgentBlockRow.block_id == id_),
        ]
    return [
        _some(MessageRow.number, MessageRow.agent_id == id_),
        _some(PassageRow.number, PassageRow.agent_id == id_),
        _some(ThreadRow.id, ThreadRow.agent_id == id_),
        _some(AgentBlockRow.block_id, AgentBlockRow.agent_id == id_),
    ]


def _some(key: Any, of_one: Any) -> Any:
    return delete(key.class_).where(of_one, key.in_(select(key).where(of_one).limit(MOST_ROWS)))


def remove_owner(session: Session, actor: Actor) -> None:
    """Delete the owner of staged rows of `actor`, unless another import has staged rows."""
    who = importing(actor)
    # An import that stages a row at the same time waits here, then fails because the user is gone.
    if session.get(UserRow, (who.organization_id, who.user_id), with_for_update=True) is None:
        return
    some = [exists(select(table.id).where(owned_by(who, table))) for table in (AgentRow, BlockRow, ThreadRow)]
    none = delete(UserRow).where(
        UserRow.organization_id == who.organization_id, UserRow.id == who.user_id, *(~each for each in some)
    )
    session.execute(none, execution_options=_UNWATCHED)
