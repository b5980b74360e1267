"""Checkpoints on PostgreSQL: LangGraph's saver over a pool of connections that all turns share."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from typing import Any, LiteralString, cast
from weakref import WeakKeyDictionary

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata, CheckpointTuple
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row, tuple_row
from psycopg_pool import AsyncConnectionPool

from ..checkpoints.checkpoint_clock import count_on
from ..checkpoints.checkpointer import Checkpointer
from ..checkpoints.head_cache import HeadCache
from ..database.location import Location
from ..database.opened_in import OpenedIn
from ..database.storage_health import StorageHealth
from .connection import connection_arguments, conninfo
from .faults import postgres_faults

Pool = AsyncConnectionPool[AsyncConnection[DictRow]]

_WAIT = 5.0
"""Longest wait for a connection, in seconds: a caller waits for it in silence."""

_SEEN_LATELY = 1.0
"""Seconds after a check in which a connection is taken to be whole: a turn uses ten in a row."""

_MAKING_TABLES = 0x766F696365 + 1
_LOOK_AGAIN = 0.05
"""Seconds between two looks if another process has made the tables."""

_TABLES: tuple[LiteralString, ...] = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")

_OLDEST_KEPT: LiteralString = (
    "(SELECT checkpoint_id FROM checkpoints WHERE thread_id = %(thread)s AND checkpoint_ns = '' "
    "ORDER BY checkpoint_id DESC LIMIT 1 OFFSET %(behind)s)"
)
_OLD: LiteralString = f"thread_id = %(thread)s AND checkpoint_ns = '' AND checkpoint_id < {_OLDEST_KEPT}"
# Values of channels, which several checkpoints share, are in a table of their own.
_UNUSED_BLOBS = """
    DELETE FROM checkpoint_blobs WHERE thread_id = %(thread)s AND checkpoint_ns = '' AND (channel, version)
    NOT IN (SELECT version.key, version.value FROM checkpoints,
        jsonb_each_text(checkpoint -> 'channel_versions') AS version
        WHERE thread_id = %(thread)s AND checkpoint_ns = '')
"""


class PostgresSaver(Checkpointer, AsyncPostgresSaver):
    """LangGraph's saver over a pool; each call takes a connection of its own. Raises `StorageError`."""

    def __init__(
        self, pool: Pool, shown: str, health: StorageHealth, serde: SerializerProtocol | None = None
    ) -> None:
        # Strict: the default rebuilds any importable type that stands in a checkpoint.
        super().__init__(pool, serde=serde or JsonPlusSerializer(allowed_msgpack_modules=None))
        self.pool, self.shown, self.health, self.heads = pool, shown, health, HeadCache()
        self._opened_in = OpenedIn()
        # LangGraph's lock is for a single connection: over a pool it would hold all threads up.
        self.lock = cast(asyncio.Lock, nullcontext())

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return the named checkpoint, or the newest of the thread."""
        with self._faults():
            found = await super().aget_tuple(config)
        if found is not None:
            count_on(found.checkpoint["id"])
        return found

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Yield checkpoints, the newest first."""
        with self._faults():
            async for found in super().alist(config, filter=filter, before=before, limit=limit):
                yield found

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Write a checkpoint; a second time it changes nothing."""
        with self._faults():
            return await super().aput(config, checkpoint, metadata, new_versions)

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Write what a step gave before its checkpoint is made; a second time it changes nothing."""
        with self._faults():
            await super().aput_writes(config, writes, task_id, task_path)

    async def adelete_thread(self, thread_id: str) -> None:
        """Delete all checkpoints of a thread."""
        await self.erase([thread_id])

    async def prune_thread(self, thread_id: str, keep: int) -> None:
        """Delete all but the newest `keep` checkpoints of a thread, and what only they need."""
        given = {"thread": thread_id, "behind": keep - 1}
        with self._faults():
            async with self.pool.connection() as connection, connection.pipeline():
                # The checkpoints behind their writes: they tell how old those are.
                await connection.execute(f"DELETE FROM checkpoint_writes WHERE {_OLD}", given)
                await connection.execute(f"DELETE FROM checkpoints WHERE {_OLD}", given)
                await connection.execute(_UNUSED_BLOBS, given)

    async def erase(self, thread_ids: Sequence[str]) -> None:
        """Delete all checkpoints of these threads, in one transaction."""
        for thread_id in thread_ids:
            self.heads.drop(thread_id)
        with self._faults():
            async with self.pool.connection() as connection, connection.transaction():
                for table in _TABLES:
                    await connection.execute(
                        f"DELETE FROM {table} WHERE thread_id = ANY(%s)", (list(thread_ids),)
                    )

    async def threads(self, thread_id: str | None = None) -> dict[tuple[str, str], int]:
        """Return the number of checkpoints by thread and name space, of all threads or of one."""
        query = (
            "SELECT thread_id, checkpoint_ns, count(*) FROM checkpoints "
            "WHERE %(thread)s::text IS NULL OR thread_id = %(thread)s GROUP BY 1, 2 ORDER BY 1, 2"
        )
        with self._faults():
            async with self.pool.connection() as connection:
                cursor = connection.cursor(row_factory=tuple_row)
                await cursor.execute(query, {"thread": thread_id})
                return {(thread, space): number for thread, space, number in await cursor.fetchall()}

    async def count(self, thread_ids: Sequence[str]) -> dict[str, int]:
        """Return how many rows of each table belong to these threads."""
        counts: dict[str, int] = {}
        with self._faults():
            async with self.pool.connection() as connection:
                for table in _TABLES:
                    query = f"SELECT count(*) AS number FROM {table} WHERE thread_id = ANY(%s)"
                    found = await (await connection.execute(query, (list(thread_ids),))).fetchone()
                    counts[table] = found["number"] if found else 0
        return counts

    def _faults(self) -> AbstractContextManager[None]:
        self._opened_in.check()
        return postgres_faults(self.shown, self.health.failed)


@asynccontextmanager
async def open_saver(
    location: Location, connections: int, health: StorageHealth
) -> AsyncGenerator[PostgresSaver]:
    """Open the saver of a database with a pool of at most so many connections; close it behind the body.

    Raises `StorageError` when the server cannot be reached.
    """
    with postgres_faults(location.shown):
        # Not by the pool, which would try again for seconds when the server is not there.
        async with await AsyncConnection.connect(conninfo(location), **_arguments(location)) as connection:
            await _make_tables(cast(AsyncConnection[DictRow], connection))
    pool = _pool(location, connections)
    try:
        with postgres_faults(location.shown):
            await pool.open(wait=True, timeout=_WAIT)
        yield PostgresSaver(pool, location.shown, health)
    finally:
        await pool.close()


async def _make_tables(connection: AsyncConnection[DictRow]) -> None:
    """Bring the saver's tables up to date, in one process at a time.

    Nobody waits inside the database for the lock: an index that is made concurrently waits for all others.
    """
    saver = AsyncPostgresSaver(connection)
    while await _version(connection) != len(saver.MIGRATIONS) - 1:
        [[taken]] = await _rows(connection, "SELECT pg_try_advisory_lock(%s)", _MAKING_TABLES)
        if taken:
            await saver.setup()
            await connection.execute("SELECT pg_advisory_unlock(%s)", (_MAKING_TABLES,))
            return
        await asyncio.sleep(_LOOK_AGAIN)


async def _version(connection: AsyncConnection[DictRow]) -> int | None:
    [[known]] = await _rows(connection, "SELECT to_regclass('checkpoint_migrations') IS NOT NULL")
    if not known:
        return None
    [[version]] = await _rows(connection, "SELECT max(v) FROM checkpoint_migrations")
    return version


async def _rows(
    connection: AsyncConnection[DictRow], query: LiteralString, *given: object
) -> list[tuple[Any, ...]]:
    cursor = connection.cursor(row_factory=tuple_row)
    await cursor.execute(query, given)
    return await cursor.fetchall()


class _Check:
    """Finds out before a turn does that the server has closed a connection, unless it was there just now."""

    def __init__(self) -> None:
        self._seen: WeakKeyDictionary[AsyncConnection[Any], float] = WeakKeyDictionary()

    async def __call__(self, connection: AsyncConnection[Any]) -> None:
        now = time.monotonic()
        if now - self._seen.get(connection, 0.0) > _SEEN_LATELY:
            await AsyncConnectionPool.check_connection(connection)
            self._seen[connection] = now


def _arguments(location: Location) -> dict[str, Any]:
    return {**connection_arguments(location.engine_url), "autocommit": True, "row_factory": dict_row}


def _pool(location: Location, connections: int) -> Pool:
    return AsyncConnectionPool(
        conninfo(location),
        connection_class=cast(type[AsyncConnection[DictRow]], AsyncConnection),
        kwargs=_arguments(location),
        min_size=1,
        max_size=connections,
        timeout=_WAIT,
        max_lifetime=1800,
        max_idle=300,
        check=_Check(),
        name="checkpoints",
        open=False,
    )
