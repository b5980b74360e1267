"""Export all that is remembered for a user, or for one agent, as it is at one instant."""

from collections.abc import AsyncGenerator, Sequence
from typing import Any

from sqlalchemy import Row, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from .actors import Actor
from .agents import agent_row
from .columns import utc_now
from .memory_file import (
    FileAgent,
    FileBlock,
    FileBlockVersion,
    FileMessage,
    FilePassage,
    FileThread,
    MemoryFile,
)
from .models import (
    SEQUENCE_BITS,
    AgentBlockRow,
    AgentRow,
    BlockRow,
    BlockVersionRow,
    MessageRow,
    PassageRow,
    ThreadRow,
)
from .ownership import owned_by
from .store import Store
from .thread_keys import thread_name
from .unbroken import unbroken

_PORTION = 200
"""Rows that are read at once."""
_MESSAGE_FIELDS = [name for name in FileMessage.model_fields if name != "sequence"]
_MESSAGE_COLUMNS = [getattr(MessageRow, name) for name in _MESSAGE_FIELDS]


@unbroken
async def export_memory(store: Store, actor: Actor, *, agent: str | None = None) -> MemoryFile:
    """Return the agents of the user, or the one of this name or id, with blocks, threads and passages.

    With one agent, blocks are those that it holds; without, all. Raises `AgentNotFound`. Not in it: what is
    made anew, such as checkpoints and search indexes, and the records of running tools.
    """
    async with store.database.reading() as session:
        if agent is None:
            mine = select(AgentRow).where(owned_by(actor, AgentRow))
            agents = [row async for row, *_ in _rows(session, mine, AgentRow.number)]
        else:
            agents = [await agent_row(session, actor, agent)]
        exported = [await _agent(session, row) for row in agents]
        held = None if agent is None else exported[0].blocks
        return MemoryFile(
            exported_at=utc_now(),
            agents=tuple(exported),
            blocks=await _blocks(session, actor, held),
        )


async def _agent(session: AsyncSession, row: AgentRow) -> FileAgent:
    blocks = select(AgentBlockRow.block_id).where(AgentBlockRow.agent_id == row.id)
    passages = select(PassageRow).where(PassageRow.agent_id == row.id)
    return FileAgent(
        id=row.id,
        name=row.name,
        system=row.system,
        model=row.model,
        model_settings=row.model_settings,
        tools=tuple(row.tools),
        time_zone=row.time_zone,
        created_at=row.created_at,
        updated_at=row.updated_at,
        blocks=tuple(await session.scalars(blocks.order_by(AgentBlockRow.position))),
        threads=await _threads(session, row.id),
        passages=tuple([_passage(row) async for row, *_ in _rows(session, passages, PassageRow.number)]),
    )


def _passage(row: PassageRow) -> FilePassage:
    return FilePassage(
        id=row.id, text=row.text, context=row.context, tags=tuple(row.tags), created_at=row.created_at
    )


async def _rows(session: AsyncSession, query: Any, *key: Any) -> AsyncGenerator[Row[Any]]:
    """Yield the rows of a query in the order of a unique key, some at a time.

    All at once would hold up the event loop, where others speak.
    """
    places = [each.label(f"place_{at}") for at, each in enumerate(key)]
    query = query.add_columns(*places).order_by(*key).limit(_PORTION)
    some = query
    while True:
        rows = (await session.execute(some)).all()
        for row in rows:
            yield row
        if len(rows) < _PORTION:
            return
        some = query.where(tuple_(*key) > tuple_(*rows[-1][-len(key) :]))


async def _threads(session: AsyncSession, agent_id: str) -> tuple[FileThread, ...]:
    threads = select(ThreadRow).where(ThreadRow.agent_id == agent_id)
    messages = select(MessageRow.thread_id, MessageRow.number, *_MESSAGE_COLUMNS)
    messages = messages.where(MessageRow.agent_id == agent_id)
    said: dict[str, list[FileMessage]] = {}
    async for message in _rows(session, messages, MessageRow.number):
        sequence = message.number & ((1 << SEQUENCE_BITS) - 1)
        fields = {name: getattr(message, name) for name in _MESSAGE_FIELDS}
        said.setdefault(message.thread_id, []).append(FileMessage(sequence=sequence, **fields))
    return tuple(
        [
            FileThread(
                id=thread_name(row.id),
                created_at=row.created_at,
                updated_at=row.updated_at,
                messages=tuple(said.get(row.id, ())),
            )
            async for row, *_ in _rows(session, threads, ThreadRow.created_at, ThreadRow.id)
        ]
    )


async def _blocks(session: AsyncSession, actor: Actor, held: Sequence[str] | None) -> tuple[FileBlock, ...]:
    query = select(BlockRow).where(owned_by(actor, BlockRow))
    if held is not None:
        query = query.where(BlockRow.id.in_(held))
    rows: list[BlockRow] = [row async for row, *_ in _rows(session, query, BlockRow.created_at, BlockRow.id)]
    versions: dict[str, list[FileBlockVersion]] = {row.id: [] for row in rows}
    history = select(BlockVersionRow).join(BlockRow, BlockRow.id == BlockVersionRow.block_id)
    history = history.where(owned_by(actor, BlockRow))
    async for entry, *_ in _rows(session, history, BlockVersionRow.block_id, BlockVersionRow.version):
        if entry.block_id in versions:
            versions[entry.block_id].append(
                FileBlockVersion(
                    version=entry.version,
                    value=entry.value,
                    changed_by=entry.changed_by,
                    changed_at=entry.changed_at,
                )
            )
    return tuple(
        FileBlock(id=row.id, label=row.label, limit=row.limit, versions=tuple(versions[row.id]))
        for row in rows
    )
