"""Checkpoints on PostgreSQL: tables of the database, over a pool of connections that all turns share."""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointTuple, copy_checkpoint
from psycopg import AsyncConnection, OperationalError
from psycopg.errors import LockNotAvailable
from psycopg_pool import AsyncConnectionPool

from ..agents.thread_keys import key_of_call
from ..checkpoints.checkpoint_clock import count_on
from ..checkpoints.checkpoint_rows import Found
from ..checkpoints.checkpointer import Checkpointer
from ..checkpoints.head_cache import Head
from ..checkpoints.write_queue import Batch, WriteQueue
from ..database.location import Location
from ..database.storage_health import StorageHealth
from ..database.uninterrupted import unbroken
from . import checkpoint_rows as rows
from .checkpoint_upgrade import prepare
from .connection import connection_arguments, conninfo
from .faults import postgres_faults
from .patience import Patience

T = TypeVar("T")

Pool = AsyncConnectionPool[rows.Connection]

_WAIT = 5.0
"""Longest wait for a connection, in seconds: a caller waits for it in silence."""

_NAME = "voicegraph checkpoints"
# In a pipeline a server process may wait for a dead or frozen client; no timeout of the server ends that.
_END_STALE = f"""
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name = '{_NAME}' AND datname = current_database() AND pid <> pg_backend_pid()
    AND xact_start < clock_timestamp() - interval '2 seconds'
"""

_SEEN_LATELY = 1.0
"""Seconds after a check in which a connection is taken to be whole: a turn uses several in a row."""


@dataclass(slots=True)
class _Held:
    """A thread that a turn of this process holds; `read` is its newest checkpoint, once it was read."""

    patience: Patience
    queue: WriteQueue
    read: CheckpointTuple | None = None


class PostgresSaver(Checkpointer):
    """A saver over a pool; each call takes a connection of its own. Raises `StorageError`.

    The checkpoints of a turn are written only while it holds its thread, and again and again while the server
    is away, as long as its patience lasts.
    """

    def __init__(self, pool: Pool, shown: str, health: StorageHealth) -> None:
        super().__init__()
        self.pool, self.shown, self.health = pool, shown, health
        self._held: dict[str, _Held] = {}

    @asynccontextmanager
    async def holding(self, patience: Patience) -> AsyncGenerator[None]:
        """Write checkpoints of a thread with `patience` in the body, and what waits of them as it ends."""
        thread_id, head = patience.lease.thread_id, patience.lease.head
        held = self._held[thread_id] = _Held(patience, WriteQueue(self._commit))
        if head is not None:
            count_on(head)
        try:
            yield
        finally:
            await self._end(held)
            if self._held.get(thread_id) is held:
                del self._held[thread_id]

    @unbroken
    async def _end(self, held: _Held) -> None:
        await held.queue.close()

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return the given checkpoint, or the newest of the thread."""
        place = config.get("configurable", {})
        held = self._held.get(key_of_call(place))
        if held is None or place.get("checkpoint_ns"):
            return await super().aget_tuple(config)
        await held.queue.settle()
        newest = held.patience.lease.head
        wanted = place.get("checkpoint_id") or newest
        if wanted != newest:
            return await super().aget_tuple(config)
        if newest is None:  # Nobody else writes one while the thread is held.
            return None
        self.note(held.patience.lease.thread_id, newest)
        if held.read is None or held.read.checkpoint["id"] != newest:
            read = super().aget_tuple
            held.read = await held.patience.write(lambda: read(config))
        return None if held.read is None else _copy(held.read)

    async def is_head(self, thread_id: str, head: Head) -> bool:
        """Return whether this is still the newest checkpoint of a thread that is held."""
        held = self._held.get(thread_id)
        return held is not None and held.patience.lease.head == head.found.checkpoint["id"]

    def queue_of(self, thread_id: str) -> WriteQueue:
        """Return the queue of a thread that is held: it waits for no other. Others have none that lasts."""
        held = self._held.get(thread_id)
        return WriteQueue(self._commit) if held is None else held.queue

    async def read(self, wanted: Mapping[str, Any], *, newest: bool = False) -> Found:
        """Return the checkpoints that conditions hold for, once all writes of their thread are stored."""
        thread_id = wanted.get("thread_id =")
        for each in [self._held.get(thread_id)] if thread_id else list(self._held.values()):
            if each is not None:
                await each.queue.settle()
        return await self._call(lambda connection: rows.read(connection, wanted, newest=newest))

    async def adelete_thread(self, thread_id: str) -> None:
        """Delete all checkpoints of a thread."""
        await self.erase([thread_id])

    async def prune_thread(self, thread_id: str, keep: int) -> None:
        """Delete all but the newest `keep` checkpoints of a thread, and what only they need."""
        self.known.pop(thread_id, None)
        await self._write([partial(rows.prune, thread_id=thread_id, keep=keep)])

    async def prune_soon(self, thread_id: str, keep: int) -> None:
        """Delete old checkpoints together with what the turn wrote last."""
        queue = self.queue_of(thread_id)
        queue.add(thread_id, lambda: [partial(rows.prune, thread_id=thread_id, keep=keep)])
        await queue.until_written(thread_id)

    async def erase(self, thread_ids: Sequence[str]) -> None:
        """Delete all checkpoints of these threads, in one transaction."""
        for thread_id in thread_ids:
            await self.queue_of(thread_id).settle()
            self.forget(thread_id)
        await self._write([partial(rows.erase, thread_ids=thread_ids)])
        for thread_id in thread_ids:
            if held := self._held.get(thread_id):
                held.read = held.patience.lease.head = None

    async def count(self, thread_ids: Sequence[str]) -> dict[str, int]:
        """Return how many rows of each table belong to these threads."""
        return await self._call(lambda connection: rows.count(connection, thread_ids))

    async def threads(self, thread_id: str | None = None) -> dict[tuple[str, str], int]:
        """Return the number of checkpoints by thread and namespace, for one thread or all."""
        return await self._call(lambda connection: rows.threads(connection, thread_id))

    async def _commit(self, batch: Batch) -> None:
        for thread_id, writes in batch.items():
            held = self._held.get(thread_id)
            try:
                if held is None:
                    await self._write(writes)
                else:
                    await self._write_held(held, writes)
            except BaseException:
                self.forget(thread_id)
                raise

    async def _write_held(self, held: _Held, writes: Sequence[rows.Write]) -> None:
        async def write() -> None:
            for checkpoint_id in rows.newest_of(writes):
                held.patience.lease.writing(checkpoint_id)
            await self._write(writes)

        held.read = None
        await held.patience.write(write)

    async def _write(self, writes: Sequence[rows.Write]) -> None:
        await self._call(lambda connection: rows.write(connection, writes))

    async def _call(self, function: Callable[[rows.Connection], Awaitable[T]]) -> T:
        self.opened_in.check()
        with self._faults():
            async with self.pool.connection() as connection:
                try:
                    return await function(connection)
                except LockNotAvailable as error:
                    await connection.execute(_END_STALE)
                    raise OperationalError("a transaction of a dead process was ended") from error

    def _faults(self) -> AbstractContextManager[None]:
        return postgres_faults(self.shown, self.health.failed)


def _copy(found: CheckpointTuple) -> CheckpointTuple:
    """Return what LangGraph may change: it applies writes to what it has read."""
    writes = None if found.pending_writes is None else list(found.pending_writes)
    return found._replace(checkpoint=copy_checkpoint(found.checkpoint), pending_writes=writes)


@asynccontextmanager
async def open_saver(
    location: Location, connections: int, health: StorageHealth
) -> AsyncGenerator[PostgresSaver]:
    """Open the saver of a database with a pool of at most `connections`, and close it after the body.

    Raises `StorageError` when the server cannot be reached.
    """
    with postgres_faults(location.shown):
        # Not by the pool, which would try again for seconds when the server is not there.
        async with await AsyncConnection.connect(conninfo(location), **_arguments(location)) as connection:
            await prepare(connection)
    pool = _pool(location, connections)
    try:
        with postgres_faults(location.shown):
            await pool.open(wait=True, timeout=_WAIT)
        yield PostgresSaver(pool, location.shown, health)
    finally:
        await pool.close()


class _Check:
    """Finds out before a turn does that the server has closed a connection, unless it was there just now."""

    def __init__(self) -> None:
        self._seen: WeakKeyDictionary[AsyncConnection[Any], float] = WeakKeyDictionary()

    async def __call__(self, connection: AsyncConnection[Any]) -> None:
        now = time.monotonic()
        if now - self._seen.get(connection, 0.0) > _SEEN_LATELY:
            await AsyncConnectionPool.check_connection(connection)
            self._seen[connection] = now


async def _configure(connection: AsyncConnection[Any]) -> None:
    """Wait for locks of other transactions for a short time: all of them are short."""
    await connection.execute("SELECT set_config('lock_timeout', '3s', false)")


def _arguments(location: Location) -> dict[str, Any]:
    return {**connection_arguments(location.engine_url), "autocommit": True, "application_name": _NAME}


def _pool(location: Location, connections: int) -> Pool:
    return AsyncConnectionPool(
        conninfo(location),
        kwargs=_arguments(location),
        min_size=1,
        max_size=connections,
        timeout=_WAIT,
        max_lifetime=1800,
        max_idle=300,
        check=_Check(),
        configure=_configure,
        name="checkpoints",
        open=False,
    )
