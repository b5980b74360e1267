"""Fork a thread: copy it under another id, up to a given point."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ..agents.actors import Actor
from ..agents.fork_agents import copy_agent
from ..agents.ownership import agent_number, numbers_of, require_thread
from ..agents.thread_keys import thread_key
from ..database.database import Database
from ..errors import ThreadTaken
from ..tables.columns import utc_now
from ..tables.names import checked_name
from ..tables.tables import AgentRow, MessageRow, ThreadRow, ToolRunRow
from .message_rows import MessageRecord
from .tool_runs import ToolRun

_COLUMNS = tuple(column.key for column in MessageRow.__table__.columns)
_RECORDED = tuple(name.name for name in fields(MessageRecord) if name.name not in ("turn_id", "created_at"))


class Forks:
    """Creates forks; the original thread is only read."""

    def __init__(self, database: Database) -> None:
        """Use `database`."""
        self._database = database

    async def make(
        self,
        actor: Actor,
        thread_id: str,
        new_id: str,
        window: Sequence[MessageRecord],
        *,
        tool_runs: Sequence[ToolRun] = (),
        memory_as_of: datetime | None = None,
    ) -> str:
        """Create the thread `new_id` with copies of the messages of `thread_id` up to a given point.

        The point is the end of `window`, the messages that the model sees there. They take precedence over
        the stored rows, which may have been cut since, and may end with messages that are not stored yet.
        Copies keep id, turn and time, and get new numbers. `tool_runs` become runs of the new thread. With
        `memory_as_of`, the new thread belongs to a copy of the agent with its memory at that time. All in one
        transaction; returns the name of the new thread's agent. Raises `ThreadNotFound`, `ThreadTaken`,
        `InvalidInput` for an invalid id.
        """
        checked_name("thread id", new_id)

        def fork(session: Session) -> str:
            key, new_key = require_thread(session, actor, thread_id), thread_key(actor, new_id)
            if session.get(ThreadRow, new_key) is not None:
                raise _taken(new_id)
            source = session.get_one(ThreadRow, key)
            agent = session.get_one(AgentRow, {"number": _number(session, actor, source)})
            if memory_as_of is not None:
                agent = copy_agent(session, actor, agent, f"{agent.name} of {new_id}", memory_as_of)
            rows = _rows(session, key, window)
            session.add(_thread(actor, agent.id, new_key))
            session.flush()
            _insert(session, agent, new_key, rows)
            session.add_all(_run(run, new_key) for run in tool_runs)
            return agent.name

        try:
            return await self._database.write(fork)
        except IntegrityError as error:
            raise _taken(new_id) from error


def _taken(thread_id: str) -> ThreadTaken:
    return ThreadTaken(f"the thread id '{thread_id}' is taken: choose another one")


def _number(session: Session, actor: Actor, source: ThreadRow) -> int:
    return agent_number(session, actor, source.agent_id, lock=True)


def _thread(actor: Actor, agent_id: str, key: str) -> ThreadRow:
    now = utc_now()
    return ThreadRow(
        id=key,
        organization_id=actor.organization_id,
        user_id=actor.user_id,
        agent_id=agent_id,
        created_at=now,
        updated_at=now,
    )


def _run(run: ToolRun, key: str) -> ToolRunRow:
    return ToolRunRow(
        thread_id=key,
        message_id=run.message_id,
        tool_call_id=run.tool_call_id,
        tool=run.tool,
        status=run.status,
        outcome=run.outcome,
        result=run.result,
        started_at=run.started_at,
        finished_at=run.finished_at,
    )


def _rows(session: Session, key: str, window: Sequence[MessageRecord]) -> list[dict[str, Any]]:
    """Return the messages of the new thread in order, without number, thread and agent."""
    in_window = {record.id: record for record in window}
    through = select(func.max(MessageRow.number)).where(
        MessageRow.thread_id == key, MessageRow.id.in_(in_window)
    )
    last: int | None = session.execute(through).scalar_one()
    query = select(*MessageRow.__table__.columns).where(MessageRow.thread_id == key)
    query = query.where(MessageRow.number <= (last or 0)).order_by(MessageRow.number)
    rows = {row["id"]: dict(row) for row in session.execute(query).mappings()}
    now = utc_now()
    for id_, row in rows.items():
        # Messages that left the original window are consolidated by the original thread only.
        row["consolidated_at"] = now if row["evicted_at"] is not None else None
        row["evicted_at"] = None if id_ in in_window else row["evicted_at"] or now
    for id_, record in in_window.items():
        known = rows.setdefault(id_, {**dict.fromkeys(_COLUMNS), "turn_id": record.turn_id})
        known |= {name: getattr(record, name) for name in _RECORDED}
        known["created_at"] = known["created_at"] or record.created_at
    return list(rows.values())


def _insert(session: Session, agent: AgentRow, key: str, rows: Sequence[dict[str, Any]]) -> None:
    if not rows:
        return
    first, last = numbers_of(agent.number)
    greatest = select(func.max(MessageRow.number)).where(MessageRow.number.between(first, last))
    number: int = session.execute(greatest).scalar_one() or first
    own = {"thread_id": key, "agent_id": agent.id, "indexed_at": None}
    session.execute(
        insert(MessageRow),
        [{**row, **own, "number": number + place} for place, row in enumerate(rows, start=1)],
    )
