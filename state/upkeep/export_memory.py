"""Export everything stored for a user, or for one agent, as of one instant."""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from ..agents.actors import Actor
from ..agents.agents import agent_row
from ..agents.ownership import owned_by
from ..store import Store
from ..tables.columns import utc_now
from ..tables.tables import AgentBlockRow, AgentRow, BlockRow, MessageRow, PassageRow, ThreadRow
from .export_rows import (
    agent_of,
    block_of,
    by_key,
    counts_by,
    held_blocks,
    messages,
    passages,
    rows_in_order,
    thread_of,
    versions,
)
from .memory_file import PARTS, FileMessage, MemoryFile, read_memory_file, write_part
from .memory_json import MemoryJson
from .portions import portions

_Thread = tuple[ThreadRow, Iterable[FileMessage]]


@dataclass(slots=True)
class Exported:
    """The number of agents and blocks in an export."""

    agents: int = 0
    blocks: int = 0


async def export_to(
    store: Store, actor: Actor, write: Callable[[bytes], object], *, agent: str | None = None
) -> Exported:
    """Pass a memory file to `write`, piece by piece, and return what it contains.

    It contains the agents of the user, or the one with this name or id, with blocks, threads and passages.
    With one agent, only its blocks are included, otherwise all. Raises `AgentNotFound` before anything is
    written. Left out is what can be rebuilt, such as checkpoints and search indexes, and the records of
    running tools.

    The number of rows in memory is bounded, however large an agent or a thread is; small agents share their
    queries. `write` may be called in another thread. It must not block for long: until the end of the export,
    the database keeps old versions of rows that change.
    """

    def export(session: Session) -> Exported:
        only = None if agent is None else agent_row(session, actor, agent).id
        return _Export(session, actor, MemoryJson(write), only).run()

    return await store.database.read(export)


async def export_memory(store: Store, actor: Actor, *, agent: str | None = None) -> MemoryFile:
    """Return what `export_to` writes."""
    content = bytearray()
    await export_to(store, actor, content.extend, agent=agent)
    return read_memory_file(bytes(content))


class _Export:
    """One export, of all agents or of the one with the id `only`."""

    def __init__(self, session: Session, actor: Actor, out: MemoryJson, only: str | None) -> None:
        self._session, self._actor, self._out, self._only = session, actor, out, only
        self._done = Exported()

    def run(self) -> Exported:
        """Write the file."""
        self._begin(MemoryFile(exported_at=utc_now(), agents=(), blocks=()))
        self._out.begin_list("agents")
        mine = select(AgentRow.number).where(owned_by(self._actor, AgentRow))
        if self._only is not None:
            mine = mine.where(AgentRow.id == self._only)
        for rows in rows_in_order(self._session, mine.order_by(AgentRow.number), AgentRow.number):
            ids = [row.id for row in rows]
            parts = (ThreadRow.agent_id, MessageRow.agent_id, PassageRow.agent_id)
            counts = [counts_by(self._session, column, ids) for column in parts]
            for some in portions(rows, partial(_weight, counts)):
                self._agents(some)
        self._out.end_list()
        self._out.begin_list("blocks")
        self._blocks()
        self._out.end_list()
        self._out.end_part()
        return self._done

    def _begin(self, part: BaseModel) -> None:
        self._out.begin_part(part, PARTS[type(part)])

    def _parts(self, name: str, parts: Iterable[BaseModel]) -> None:
        self._out.begin_list(name)
        for part in parts:
            write_part(self._out, part)
        self._out.end_list()

    def _agents(self, rows: Sequence[AgentRow]) -> None:
        """Write several small agents, or one large agent."""
        ids = [row.id for row in rows]
        blocks = held_blocks(self._session, self._actor, ids)
        threads = by_key(ids, self._threads(ids))
        kept = by_key(ids, passages(self._session, ids))
        for row in rows:
            self._begin(agent_of(row, blocks.get(row.id, ())))
            self._out.begin_list("threads")
            for thread, said in threads[row.id]:
                self._begin(thread_of(thread))
                self._parts("messages", said)
                self._out.end_part()
            self._out.end_list()
            self._parts("passages", kept[row.id])
            self._out.end_part()
        self._done.agents += len(rows)

    def _threads(self, ids: Sequence[str]) -> Generator[tuple[str, _Thread]]:
        """Yield the threads of agents with their messages, each agent's oldest thread first."""
        keys = select(ThreadRow.id).join(AgentRow, AgentRow.id == ThreadRow.agent_id)
        keys = keys.where(ThreadRow.agent_id.in_(ids))
        keys = keys.order_by(AgentRow.number, ThreadRow.created_at, ThreadRow.id)
        for rows in rows_in_order(self._session, keys, ThreadRow.id):
            # Skips a running import. As a condition, SQLite would read all of the user's threads for it.
            mine = [row for row in rows if row.user_id == self._actor.user_id]
            counts = counts_by(self._session, MessageRow.thread_id, [row.id for row in mine])
            for some in portions(mine, partial(_weight, [counts])):
                said = by_key([row.id for row in some], messages(self._session, [row.id for row in some]))
                for row in some:
                    yield row.agent_id, (row, said[row.id])

    def _blocks(self) -> None:
        mine = select(BlockRow.id).where(owned_by(self._actor, BlockRow))
        if self._only is not None:
            held = select(AgentBlockRow.block_id).where(AgentBlockRow.agent_id == self._only)
            mine = mine.where(BlockRow.id.in_(held))
        mine = mine.order_by(BlockRow.created_at, BlockRow.id)
        for rows in rows_in_order(self._session, mine, BlockRow.id):
            # A block has as many versions as the number of its newest one.
            for some in portions(rows, lambda row: 1 + row.version):
                ids = [row.id for row in some]
                history = by_key(ids, versions(self._session, ids))
                for row in some:
                    self._begin(block_of(row))
                    self._parts("versions", history[row.id])
                    self._out.end_part()
            self._done.blocks += len(rows)


def _weight(counts: Sequence[Mapping[str, int]], row: AgentRow | ThreadRow) -> int:
    return 1 + sum(count.get(row.id, 0) for count in counts)
