"""Read the rows of an export in portions."""

from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel
from sqlalchemy import Select, func, select, tuple_
from sqlalchemy.orm import Session

from ..agents.actors import Actor
from ..agents.agent_rows import settings_of
from ..agents.thread_keys import thread_name
from ..tables.tables import (
    SEQUENCE_BITS,
    AgentBlockRow,
    AgentRow,
    BlockRow,
    BlockVersionRow,
    MessageRow,
    PassageRow,
    ThreadRow,
)
from .memory_file import FileAgent, FileBlock, FileBlockVersion, FileMessage, FilePassage, FileThread
from .portions import MOST_ROWS, portions

T = TypeVar("T")


def rows_in_order(session: Session, keys: Select[Any], key: Any) -> Generator[list[Any]]:
    """Yield rows in portions, in the order of their keys.

    `keys` is read at once: in portions, each query would sort all remaining rows.
    """
    table, wanted = key.class_, session.scalars(keys).all()
    for some in portions(wanted):
        found = {getattr(row, key.key): row for row in session.scalars(select(table).where(key.in_(some)))}
        yield [found[each] for each in some]


def pages(session: Session, query: Any, *key: Any) -> Generator[list[Any]]:
    """Yield the rows of a query in portions, in the order of a unique indexed key."""
    places = [each.label(f"place_{at}") for at, each in enumerate(key)]
    query = query.add_columns(*places).order_by(*key).limit(MOST_ROWS)
    some = query
    while True:
        rows: list[Any] = list(session.execute(some).all())
        yield rows
        if len(rows) < MOST_ROWS:
            return
        some = query.where(tuple_(*key) > tuple_(*rows[-1][-len(key) :]))


def by_key(keys: Sequence[str], source: Generator[tuple[str, T]]) -> Mapping[str, Iterable[T]]:
    """Return the values of `source` by key.

    For several keys all values are kept in memory: callers pass several keys with few rows each, or one key,
    whose values are passed on as they arrive.
    """
    if len(keys) == 1:
        return {keys[0]: (value for _, value in source)}
    found: dict[str, list[T]] = {key: [] for key in keys}
    for key, value in source:
        found[key].append(value)
    return found


def held_blocks(session: Session, actor: Actor, ids: Sequence[str]) -> dict[str, list[str]]:
    """Return the ids of the agents' blocks, in prompt order."""
    held = (
        select(AgentBlockRow.agent_id, AgentBlockRow.block_id, BlockRow.user_id)
        .join(BlockRow, BlockRow.id == AgentBlockRow.block_id)
        .where(AgentBlockRow.agent_id.in_(ids))
        .order_by(AgentBlockRow.position)
    )
    blocks: dict[str, list[str]] = {}
    for agent_id, block_id, user_id in session.execute(held):
        if user_id == actor.user_id:  # Otherwise it is still being imported.
            blocks.setdefault(agent_id, []).append(block_id)
    return blocks


def counts_by(session: Session, column: Any, keys: Sequence[str]) -> dict[str, int]:
    """Return the number of rows for each key of a column that occurs."""
    query = select(column, func.count()).where(column.in_(keys)).group_by(column)
    return {key: count for key, count in session.execute(query)}


def messages(session: Session, keys: Sequence[str]) -> Generator[tuple[str, FileMessage]]:
    """Yield the messages of threads in order, each with the key of its thread."""
    place = MessageRow.thread_id, MessageRow.number
    for key, number, fields in _fields(session, keys, place, FileMessage, without="sequence"):
        yield key, FileMessage(sequence=number & ((1 << SEQUENCE_BITS) - 1), **fields)


def passages(session: Session, ids: Sequence[str]) -> Generator[tuple[str, FilePassage]]:
    """Yield the passages of agents in order, each with the id of its agent."""
    place = PassageRow.agent_id, PassageRow.number
    for key, _, fields in _fields(session, ids, place, FilePassage):
        yield key, FilePassage(**fields)


def versions(session: Session, ids: Sequence[str]) -> Generator[tuple[str, FileBlockVersion]]:
    """Yield the versions of blocks, each with the id of its block, in the order of ids and versions."""
    place = BlockVersionRow.block_id, BlockVersionRow.version
    for key, _, fields in _fields(session, ids, place, FileBlockVersion):
        yield key, FileBlockVersion(**fields)


def _fields(
    session: Session,
    keys: Sequence[str],
    place: tuple[Any, Any],
    part: type[BaseModel],
    without: str = "",
) -> Generator[tuple[str, int, dict[str, Any]]]:
    """Yield the fields of the parts that belong to the keys; `place` is the columns of key and order."""
    names = [name for name in part.model_fields if name != without]
    query = select(*(getattr(place[0].class_, name) for name in names)).where(place[0].in_(keys))
    for page in pages(session, query, *place):
        for row in page:
            yield row[-2], row[-1], {name: getattr(row, name) for name in names}


def agent_of(row: AgentRow, blocks: Iterable[str]) -> FileAgent:
    """Return an agent without threads and passages."""
    return FileAgent(
        id=row.id,
        name=row.name,
        created_at=row.created_at,
        updated_at=row.updated_at,
        blocks=tuple(blocks),
        **settings_of(row),
    )


def thread_of(row: ThreadRow) -> FileThread:
    """Return a thread without messages."""
    return FileThread(id=thread_name(row.id), created_at=row.created_at, updated_at=row.updated_at)


def block_of(row: BlockRow) -> FileBlock:
    """Return a block without its versions."""
    return FileBlock.model_construct(id=row.id, label=row.label, limit=row.limit, versions=())
