"""Messages evicted from the window and waiting for consolidation: a column says so, not a queue."""

from collections.abc import Collection, Sequence

from sqlalchemy import RowMapping, exists, select, update
from sqlalchemy.orm import Session

from ..agents.actors import Actor, is_importing
from ..agents.ownership import agent_number, owned_by
from ..database.database import Database
from ..search.passages import NewPassage, add_passages
from ..tables.columns import utc_now
from ..tables.tables import AgentRow, MessageRow, ThreadRow
from .messages import MESSAGE_COLUMNS, StoredMessage, stored_message


class DueMessages:
    """The evicted messages of agents that are not consolidated yet."""

    def __init__(self, database: Database) -> None:
        """Use `database`."""
        self._database = database

    async def of_agent(self, actor: Actor, agent_id: str, *, limit: int = 60) -> tuple[StoredMessage, ...]:
        """Return the oldest `limit` due messages that have text, oldest first."""
        query = (
            select(*MESSAGE_COLUMNS)
            .where(MessageRow.agent_id == agent_id, MessageRow.evicted_at.is_not(None))
            .where(MessageRow.consolidated_at.is_(None))
            # Not those of a thread that is still being imported.
            .where(exists().where(ThreadRow.id == MessageRow.thread_id, owned_by(actor, ThreadRow)))
            .order_by(MessageRow.number)
            .limit(limit)
        )

        def read(session: Session) -> Sequence[RowMapping]:
            agent_number(session, actor, agent_id)
            return session.execute(query).mappings().all()

        rows = await self._database.read(read)
        return tuple(stored_message(row) for row in rows)

    async def settle(
        self, actor: Actor, agent_id: str, numbers: Collection[int], passages: Sequence[NewPassage] = ()
    ) -> bool:
        """Mark the messages with these numbers as consolidated and store their passages, in one transaction.

        Returns false, with nothing changed, if another process has consolidated one of them already. Raises
        `AgentNotFound`, `InvalidInput` for an invalid passage.
        """
        for passage in passages:
            passage.check()
        settling = (
            update(MessageRow)
            .where(MessageRow.agent_id == agent_id, MessageRow.number.in_(numbers))
            .where(MessageRow.consolidated_at.is_(None))
            .values(consolidated_at=utc_now())
            .returning(MessageRow.number)
            .execution_options(synchronize_session=False)
        )

        def settle(session: Session) -> bool:
            # Serializes with other processes that consolidate messages of the agent.
            agent_number(session, actor, agent_id, lock=True)
            settled = session.scalars(settling).all()
            if len(settled) < len(numbers):
                session.rollback()
                return False
            if passages:
                add_passages(session, self._database, actor, agent_id, passages)
            return True

        return await self._database.write(settle)


async def agents_with_due_messages(database: Database) -> tuple[tuple[Actor, str], ...]:
    """Return all agents that have due messages, each with its actor, to continue after a crash."""
    due = (
        select(MessageRow.agent_id)
        .where(MessageRow.evicted_at.is_not(None), MessageRow.consolidated_at.is_(None))
        .distinct()
    )
    query = select(AgentRow.organization_id, AgentRow.user_id, AgentRow.id).where(AgentRow.id.in_(due))
    rows = await database.read(lambda session: session.execute(query).all())
    agents = ((Actor(row.organization_id, row.user_id), row.id) for row in rows)
    return tuple((actor, agent_id) for actor, agent_id in agents if not is_importing(actor))
