"""The rows of an imported agent: threads with their messages, passages, numbered behind what there is."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from .actors import Actor
from .import_ids import Place, passage_places, thread_places
from .memory_file import FilePassage, FileThread
from .models import Base, MessageRow, PassageRow, ThreadRow
from .ownership import numbers_of

_PORTION = 200
"""Rows that are inserted at once: making a statement's values for more would hold up the event loop."""


async def add_threads(
    session: AsyncSession, actor: Actor, agent: tuple[str, int], threads: Sequence[FileThread]
) -> tuple[dict[str, Place], int]:
    """Add the threads that the user has not, with their messages; return all places and the messages added.

    `agent` is the agent's id and number.
    """
    places = await thread_places(session, actor, [thread.id for thread in threads])
    fresh = [thread for thread in threads if not places[thread.id].there]
    new = (
        {
            "id": places[thread.id].id,
            "organization_id": actor.organization_id,
            "user_id": actor.user_id,
            "agent_id": agent[0],
            "created_at": thread.created_at,
            "updated_at": thread.updated_at,
        }
        for thread in fresh
    )
    await session.flush()
    await insert_rows(session, ThreadRow, new)
    said = [
        (message.sequence, places[thread.id].id, message) for thread in fresh for message in thread.messages
    ]
    said.sort(key=lambda one: one[0])
    rows = (
        {**message.model_dump(exclude={"sequence"}), "thread_id": thread_id, "agent_id": agent[0]}
        for _, thread_id, message in said
    )
    await _insert(session, MessageRow, agent[1], rows)
    return places, len(said)


async def add_passages(
    session: AsyncSession, actor: Actor, agent: tuple[str, int], passages: Sequence[FilePassage]
) -> int:
    """Add the passages that the user has not; return how many."""
    places: Mapping[str, Place] = await passage_places(session, actor, [passage.id for passage in passages])
    fresh = [passage for passage in passages if not places[passage.id].there]
    rows = (
        {
            **passage.model_dump(),
            "id": places[passage.id].id,
            "tags": list(passage.tags),
            "agent_id": agent[0],
        }
        for passage in fresh
    )
    await _insert(session, PassageRow, agent[1], rows)
    return len(fresh)


async def _insert(
    session: AsyncSession,
    table: type[MessageRow] | type[PassageRow],
    agent: int,
    rows: Iterable[dict[str, Any]],
) -> None:
    """Insert rows in their order, with the numbers behind the agent's last one."""
    first, last = numbers_of(agent)
    greatest = select(func.max(table.number)).where(table.number.between(first, last))
    start = (await session.execute(greatest)).scalar_one() or first
    await insert_rows(
        session, table, ({"number": start + place, **row} for place, row in enumerate(rows, start=1))
    )


async def insert_rows(session: AsyncSession, table: type[Base], rows: Iterable[dict[str, Any]]) -> None:
    """Insert rows of a table in their order, some at a time."""
    waiting = iter(rows)
    while some := list(islice(waiting, _PORTION)):
        await session.execute(insert(table), some)
