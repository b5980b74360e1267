"""Build and insert the rows of imported agents, threads, messages and passages."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from ...agents.actors import Actor
from ...agents.agent_rows import new_agent, settings_of
from ...agents.ownership import numbers_of
from ...tables.tables import Base, MessageRow, PassageRow
from ..memory_file import FileAgent, FileMessage, FilePassage, FileThread
from ..portions import weight
from .import_ids import Place

_AT_ONCE = 200
"""Number of rows inserted at once: building a larger statement would block the event loop."""

Spoken = tuple[FileMessage, str]
"""A message with the key of its thread."""


def insert_rows(session: Session, table: type[Base], rows: Iterable[Mapping[str, Any]]) -> None:
    """Insert rows of a table in order, in portions."""
    waiting = iter(rows)
    while some := list(islice(waiting, _AT_ONCE)):
        session.execute(insert(table), some)


def insert_numbered(
    session: Session,
    table: type[MessageRow] | type[PassageRow],
    agent: int,
    rows: Iterable[dict[str, Any]],
) -> None:
    """Insert rows in order, numbered after the last one of the agent with this number."""
    first, last = numbers_of(agent)
    greatest = select(func.max(table.number)).where(table.number.between(first, last))
    start = session.execute(greatest).scalar_one() or first
    insert_rows(session, table, numbered(start, rows))


def numbered(start: int, rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield rows with the numbers after `start`."""
    return ({"number": start + place, **row} for place, row in enumerate(rows, start=1))


def agent_row(owner: Actor, agent: FileAgent, agent_id: str, name: str) -> dict[str, Any]:
    """Return the row of a new agent."""
    known = {"id": agent_id, "created_at": agent.created_at, "updated_at": agent.updated_at}
    return {**new_agent(owner, name, settings_of(agent)), **known}


def thread_row(owner: Actor, agent_id: str, thread: FileThread, key: str) -> dict[str, Any]:
    """Return the row of a new thread."""
    return {
        "id": key,
        "organization_id": owner.organization_id,
        "user_id": owner.user_id,
        "agent_id": agent_id,
        "created_at": thread.created_at,
        "updated_at": thread.updated_at,
    }


def spoken(threads: Iterable[FileThread], places: Mapping[str, Place]) -> list[Spoken]:
    """Return the messages of the threads that the user lacks, in order across threads."""
    fresh = (thread for thread in threads if not places[thread.id].there)
    said = [(message, places[thread.id].id) for thread in fresh for message in thread.messages]
    said.sort(key=lambda one: one[0].sequence)
    return said


def message_rows(agent_id: str, said: Iterable[Spoken]) -> Iterator[dict[str, Any]]:
    """Yield the rows of messages, without their numbers."""
    for message, key in said:
        yield {**message.model_dump(exclude={"sequence"}), "thread_id": key, "agent_id": agent_id}


def passage_rows(
    agent_id: str, passages: Iterable[FilePassage], places: Mapping[str, Place]
) -> Iterator[dict[str, Any]]:
    """Yield the rows of the passages that the user lacks, without their numbers."""
    for passage in passages:
        place = places[passage.id]
        if not place.there:
            own = {"id": place.id, "tags": list(passage.tags), "agent_id": agent_id}
            yield {**passage.model_dump(), **own}


def weight_of_message(message: FileMessage) -> int:
    """Return the number of rows that a message counts as."""
    return weight(message.text, message.unheard, message.spoken, _text_of(message.tool_calls))


def weight_of_passage(passage: FilePassage) -> int:
    """Return the number of rows that a passage counts as."""
    return weight(passage.text, passage.context, *passage.tags)


def weight_of_agent(agent: FileAgent) -> int:
    """Return the number of rows that an agent counts as, with everything it owns."""
    threads = len(agent.threads) + sum(
        weight_of_message(message) for thread in agent.threads for message in thread.messages
    )
    passages = sum(map(weight_of_passage, agent.passages))
    return weight(agent.system) + len(agent.blocks) + threads + passages


def _text_of(calls: Collection[Any] | None) -> str | None:
    return None if calls is None else str(calls)
