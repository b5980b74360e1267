"""Read the rows of an export in portions."""

from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel
from sqlalchemy import Select, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

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


async def rows_in_order(session: AsyncSession, keys: Select[Any], key: Any) -> AsyncGenerator[list[Any]]:
    """Yield rows in portions, in the order of their keys.

    `keys` is read at once: in portions, each query would sort all remaining rows.
    """
    table, wanted = key.class_, (await session.scalars(keys)).all()
    for some in portions(wanted):
        found = {
            getattr(row, key.key): row for row in await session.scalars(select(table).where(key.in_(some)))
        }
        yield [found[each] for each in some]


async def pages(session: AsyncSession, query: Any, *key: Any) -> AsyncGenerator[list[Any]]:
    """Yield the rows of a query in portions, in the order of a unique indexed key."""
    places = [each.label(f"place_{at}") for at, each in enumerate(key)]
    query = query.add_columns(*places).order_by(*key).limit(MOST_ROWS)
    some = query
    while True:
        rows: list[Any] = list((await session.execute(some)).all())
        yield rows
        if len(rows) < MOST_ROWS:
            return
        some = query.where(tuple_(*key) > tuple_(*rows[-1][-len(key) :]))


async def by_key(
    keys: Sequence[str], source: AsyncGenerator[tuple[str, T]]
) -> Mapping[str, AsyncIterable[T]]:
    """Return the values of `source` by key.

    For several keys all values are kept in memory: callers pass several keys with few rows each, or one key,
    whose values are passed on as they arrive.
    """
    if len(keys) == 1:
        return {keys[0]: _values(source)}
    found: dict[str, list[T]] = {key: [] for key in keys}
    async for key, value in source:
        found[key].append(value)
    return {key: _each(values) for key, values in found.items()}


async def _values(source: AsyncGenerator[tuple[str, T]]) -> AsyncGenerator[T]:
    async for _, value in source:
        yield value


async def _each(values: Iterable[T]) -> AsyncGenerator[T]:
    for value in values:
        yield value


async def held_blocks(session: AsyncSession, actor: Actor, ids: Sequence[str]) -> dict[str, list[str]]:
    """Return the ids of the agents' blocks, in prompt order."""
    held = (
        select(AgentBlockRow.agent_id, AgentBlockRow.block_id, BlockRow.user_id)
        .join(BlockRow, BlockRow.id == AgentBlockRow.block_id)
        .where(AgentBlockRow.agent_id.in_(ids))
        .order_by(AgentBlockRow.position)
    )
    blocks: dict[str, list[str]] = {}
    for agent_id, block_id, user_id in await session.execute(held):
        if user_id == actor.user_id:  # Otherwise it is still being imported.
            blocks.setdefault(agent_id, []).append(block_id)
    return blocks


async def counts_by(session: AsyncSession, column: Any, keys: Sequence[str]) -> dict[str, int]:
    """Return the number of rows for each key of a column that occurs."""
    query = select(column, func.count()).where(column.in_(keys)).group_by(column)
    return {key: count for key, count in await session.execute(query)}


async def messages(session: AsyncSession, keys: Sequence[str]) -> AsyncGenerator[tuple[str, FileMessage]]:
    """Yield the messages of threads in order, each with the key of its thread."""
    place = MessageRow.thread_id, MessageRow.number
    async for key, number, fields in _fields(session, keys, place, FileMessage, without="sequence"):
        yield key, FileMessage(sequence=number & ((1 << SEQUENCE_BITS) - 1), **fields)


async def passages(session: AsyncSession, ids: Sequence[str]) -> AsyncGenerator[tuple[str, FilePassage]]:
    """Yield the passages of agents in order, each with the id of its agent."""
    place = PassageRow.agent_id, PassageRow.number
    async for key, _, fields in _fields(session, ids, place, FilePassage):
        yield key, FilePassage(**fields)


async def versions(session: AsyncSession, ids: Sequence[str]) -> AsyncGenerator[tuple[str, FileBlockVersion]]:
    """Yield the versions of blocks, each with the id of its block, in the order of ids and versions."""
    place = BlockVersionRow.block_id, BlockVersionRow.version
    async for key, _, fields in _fields(session, ids, place, FileBlockVersion):
        yield key, FileBlockVersion(**fields)


async def _fields(
    session: AsyncSession,
    keys: Sequence[str],
    place: tuple[Any, Any],
    part: type[BaseModel],
    without: str = "",
) -> AsyncGenerator[tuple[str, int, dict[str, Any]]]:
    """Yield the fields of the parts that belong to the keys; `place` is the columns of key and order."""
    names = [name for name in part.model_fields if name != without]
    query = select(*(getattr(place[0].class_, name) for name in names)).where(place[0].in_(keys))
    async for page in pages(session, query, *place):
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
