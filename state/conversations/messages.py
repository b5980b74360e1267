"""Messages: the full record of what was said, whatever the model's window contains."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, func, select
from sqlalchemy.orm import Session

from ..agents.actors import Actor
from ..agents.ownership import require_thread
from ..agents.thread_keys import thread_key, thread_name
from ..database.database import Database
from ..database.paging import PageRequest, Slice, page_of_rows
from ..errors import InvalidInput
from ..search.neighbours import WITHDRAWN
from ..tables.tables import MessageRow
from .ended_turns import end_turn
from .message_rows import MessageRecord, evict, save_lost, save_records


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMessage(MessageRecord):
    """A stored message; `thread_id` is the name of its thread.

    `evicted_at` is the time when it left the model's window.
    """

    number: int
    thread_id: str
    evicted_at: datetime | None


_STORED = tuple(name.name for name in fields(StoredMessage))
MESSAGE_COLUMNS = [getattr(MessageRow, name) for name in _STORED]


def stored_message(row: RowMapping) -> StoredMessage:
    """Return the message of a row with `MESSAGE_COLUMNS`."""
    columns: dict[str, Any] = {**row, "thread_id": thread_name(row["thread_id"])}
    return StoredMessage(**columns)


class Messages:
    """The messages of threads, in the order in which they were first stored."""

    def __init__(self, database: Database) -> None:
        """Use `database`."""
        self._database = database

    async def save(
        self,
        actor: Actor,
        agent_id: str,
        thread_id: str,
        records: Iterable[MessageRecord],
        *,
        evicted: Collection[str] = (),
        ended: str | None = None,
    ) -> None:
        """Store records and mark the messages with ids in `evicted` as evicted, in one transaction.

        `ended` is the id of a turn to remove from the journal. A record whose id exists in the thread keeps
        its number and updates the fields that differ, so a replay stores nothing twice. Of several records
        with one id the last counts. Raises `AgentNotFound` or `ThreadNotFound` if the actor has no such agent
        with such a thread, `InvalidInput` for a time without time zone.
        """
        saved, key = list(records), thread_key(actor, thread_id)
        if any(record.created_at.tzinfo is None for record in saved):
            raise InvalidInput("a message's `created_at` needs a time zone")

        def save(session: Session) -> None:
            connection = session.connection()
            save_records(connection, actor, agent_id, key, saved)
            if ended is not None:
                lost = end_turn(connection, key, ended, [record.id for record in saved])
                if lost is not None:
                    save_lost(connection, actor, agent_id, key, ended, lost, saved)
            evict(connection, key, evicted)

        await self._database.write(save)

    async def history(
        self,
        actor: Actor,
        thread_id: str,
        *,
        limit: int | None = None,
        before: int | None = None,
        withdrawn: bool = True,
    ) -> tuple[StoredMessage, ...]:
        """Return the last `limit` messages (all if `None`) with a number below `before`, oldest first.

        Without `withdrawn`, drafts and the replies to them are left out. Raises `ThreadNotFound`.
        """
        if limit is not None and limit < 1:
            raise InvalidInput(f"the limit must be at least 1, it is {limit}")
        query = select(*MESSAGE_COLUMNS).where(MessageRow.thread_id == thread_key(actor, thread_id))
        query = query.order_by(MessageRow.number.desc()).limit(limit)
        if before is not None:
            query = query.where(MessageRow.number < before)
        if not withdrawn:
            query = query.where(MessageRow.status.is_distinct_from(WITHDRAWN))

        def read(session: Session) -> Sequence[RowMapping]:
            require_thread(session, actor, thread_id)
            return session.execute(query).mappings().all()

        rows = await self._database.read(read)
        return tuple(stored_message(row) for row in reversed(rows))

    async def page(self, actor: Actor, thread_id: str, request: PageRequest) -> Slice[StoredMessage]:
        """Return a page of the thread's messages, newest first.

        Raises `ThreadNotFound`, `InvalidInput`.
        """
        query = select(*MESSAGE_COLUMNS).where(MessageRow.thread_id == thread_key(actor, thread_id))

        def read(session: Session) -> Slice[StoredMessage]:
            require_thread(session, actor, thread_id)
            return page_of_rows(
                session,
                query,
                request,
                lambda row: stored_message(row._mapping),
                order=[MessageRow.number],
                by=MessageRow.id,
                newest_first=True,
            )

        return await self._database.read(read)

    async def count(self, actor: Actor, thread_id: str) -> int:
        """Return the number of the thread's messages. Raises `ThreadNotFound`."""

        def read(session: Session) -> int:
            key = require_thread(session, actor, thread_id)
            query = select(func.count()).where(MessageRow.thread_id == key)
            return session.execute(query).scalar_one()

        return await self._database.read(read)
