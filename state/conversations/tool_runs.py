"""Tool runs: which tool calls were started and how they ended, so that none runs again after a crash."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ..agents.actors import Actor
from ..agents.ownership import owned_by, require_thread
from ..agents.thread_keys import thread_key, thread_name
from ..database.database import Database
from ..database.uninterrupted import unbroken
from ..errors import NotFound
from ..tables.columns import utc_now
from ..tables.tables import ThreadRow, ToolRunRow

Status = Literal["started", "finished"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRun:
    """A run of a tool; while it is `started` it has no `outcome`, `result` and `finished_at`.

    `thread_id` is the name of its thread.
    """

    thread_id: str
    message_id: str
    tool_call_id: str
    tool: str
    status: Status
    outcome: str | None
    result: str | None
    started_at: datetime
    finished_at: datetime | None


class ToolRuns:
    """The tool runs of threads, identified by the message with the call and the id of the call."""

    def __init__(self, database: Database) -> None:
        """Use `database`."""
        self._database = database

    async def begin(
        self, actor: Actor, thread_id: str, message_id: str, tool_call_id: str, tool: str
    ) -> ToolRun | None:
        """Record that the call is about to run and return `None`, or return the existing run.

        Committed when this returns. Raises `ThreadNotFound`.
        """
        key = (thread_key(actor, thread_id), message_id, tool_call_id)

        def begin(session: Session) -> ToolRunRow | None:
            require_thread(session, actor, thread_id)
            row = session.get(ToolRunRow, key)
            if row is None:
                session.add(_new_row(key, tool))
            return row

        try:
            row = await self._database.write(begin)
        except IntegrityError:
            # Inserted by another process between read and write, which only PostgreSQL allows.
            row = await self._database.write(begin)
        return None if row is None else _as_run(row)

    @unbroken
    async def finish(
        self,
        actor: Actor,
        thread_id: str,
        message_id: str,
        tool_call_id: str,
        *,
        outcome: str,
        result: str,
        tool: str | None = None,
    ) -> None:
        """Record how the run ended; the first of two outcomes counts.

        With `tool`, a run that was never started is recorded too; without it, this raises `NotFound`.
        Committed when this returns. Raises `ThreadNotFound`.
        """
        key = (thread_key(actor, thread_id), message_id, tool_call_id)

        def finish(session: Session) -> None:
            require_thread(session, actor, key[0])
            row = session.get(ToolRunRow, key, with_for_update=True)
            if row is None:
                row = _begun(session, key, tool)
            if row.status == "started":
                row.status, row.outcome, row.result = "finished", outcome, result
                row.finished_at = utc_now()

        try:
            await self._database.write(finish)
        except IntegrityError:
            # Inserted by another process in the meantime: now the row exists. `unbroken`: a cancelled call
            # records the end too, or the run would stay started.
            await self._database.write(finish)

    async def of_message(self, actor: Actor, thread_id: str, message_id: str) -> dict[str, ToolRun]:
        """Return the runs of the message's calls by call id; none for unknown threads."""
        key = thread_key(actor, thread_id)
        query = (
            select(ToolRunRow)
            .join(ThreadRow, ThreadRow.id == ToolRunRow.thread_id)
            .where(owned_by(actor, ThreadRow))
            .where(ToolRunRow.thread_id == key, ToolRunRow.message_id == message_id)
        )
        rows = await self._database.read(lambda session: session.scalars(query).all())
        return {row.tool_call_id: _as_run(row) for row in rows}

    async def discard(self, actor: Actor, thread_id: str, message_ids: Collection[str]) -> None:
        """Delete the runs of these messages' calls: their results are stored as messages now.

        Raises `ThreadNotFound`.
        """

        def discard(session: Session) -> None:
            key = require_thread(session, actor, thread_id)
            session.execute(
                delete(ToolRunRow).where(ToolRunRow.thread_id == key, ToolRunRow.message_id.in_(message_ids))
            )

        await self._database.write(discard)


def _begun(session: Session, key: tuple[str, str, str], tool: str | None) -> ToolRunRow:
    if tool is None:
        raise NotFound(f"no tool run '{key[2]}' in thread '{thread_name(key[0])}'")
    row = _new_row(key, tool)
    session.add(row)
    return row


def _new_row(key: tuple[str, str, str], tool: str) -> ToolRunRow:
    thread_id, message_id, tool_call_id = key
    return ToolRunRow(
        thread_id=thread_id,
        message_id=message_id,
        tool_call_id=tool_call_id,
        tool=tool,
        status="started",
        started_at=utc_now(),
    )


def _as_run(row: ToolRunRow) -> ToolRun:
    return ToolRun(
        thread_id=thread_name(row.thread_id),
        message_id=row.message_id,
        tool_call_id=row.tool_call_id,
        tool=row.tool,
        status="finished" if row.status == "finished" else "started",
        outcome=row.outcome,
        result=row.result,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )
