"""Checkpoints on SQLite: a file of their own."""

import json
import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from ..agents.thread_keys import key_of_call
from ..checkpoints.checkpointer import Checkpointer
from ..checkpoints.kept_heads import Head, KeepsHeads, KeptHeads
from ..database.faults import storage_error
from ..database.retrying import until_unlocked
from ..database.storage_health import StorageHealth
from ..errors import StorageError
from .connection import BUSY_SECONDS, empty_log
from .private_files import make_file
from .quick_connection import QuickConnection, connect

T = TypeVar("T")

_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=NORMAL",
    f"busy_timeout={int(BUSY_SECONDS * 1000)}",
    # Builds of SQLite differ in it. It overwrites what pruning deletes, which forgetting could not find any
    # more: FAST would leave whole pages, and the ends of those that are used again. A turn writes 640 kB
    # instead of 510 kB, in no more time.
    "secure_delete=ON",
)
_OVERWRITTEN = 1
"""The `user_version` of a file in which all deleted rows have been overwritten since it was made."""
_SHORT_WAIT = "busy_timeout=50"
"""Once the file is open: while a statement waits for a lock, no other one runs on the connection."""

_TRIAL = "INSERT INTO checkpoints (thread_id, checkpoint_id, checkpoint) VALUES ('', '', ?)"
_TABLES = ("checkpoints", "writes")
_PRUNED = ("writes", "checkpoints")
_OLDEST_KEPT = (
    "(SELECT checkpoint_id FROM checkpoints WHERE thread_id = ? AND checkpoint_ns = '' "
    "ORDER BY checkpoint_id DESC LIMIT 1 OFFSET ?)"
)
_OLD = f"thread_id = ? AND checkpoint_ns = '' AND checkpoint_id < {_OLDEST_KEPT}"
# One bound value, however many ids there are.
_OF_THREADS = "thread_id IN (SELECT value FROM json_each(?))"


class _PatientSaver(Checkpointer, AsyncSqliteSaver):
    """A saver that writes again while another program has the file locked. Raises `StorageError`."""

    patience: dict[str, Callable[[], float]]
    """How many seconds the writes of threads may take now, by key; those of others may take five."""

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Write a checkpoint; a second time it changes nothing."""
        write = super().aput
        return await _unlocked(
            lambda: write(config, checkpoint, metadata, new_versions), self._patience_of(config)
        )

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Write what a step gave before its checkpoint is made; a second time it changes nothing."""
        write = super().aput_writes
        await _unlocked(lambda: write(config, writes, task_id, task_path), self._patience_of(config))

    async def adelete_thread(self, thread_id: str) -> None:
        """Delete all checkpoints of a thread."""
        delete = super().adelete_thread
        await _unlocked(lambda: delete(thread_id))

    def _patience_of(self, config: RunnableConfig) -> Callable[[], float]:
        return self.patience.get(key_of_call(config.get("configurable", {})), _busy_seconds)


async def _unlocked(write: Callable[[], Awaitable[T]], seconds: Callable[[], float] | None = None) -> T:
    async def with_known_errors() -> T:
        try:
            return await write()
        except sqlite3.Error as error:
            raise storage_error("of the checkpoints", error) from error

    return await until_unlocked(with_known_errors, seconds or _busy_seconds)


def _busy_seconds() -> float:
    return BUSY_SECONDS


class SqliteSaver(KeepsHeads, _PatientSaver):
    """LangGraph's saver on a connection of ours: the only one of this process that writes the file."""

    def __init__(self, connection: QuickConnection, path: str) -> None:
        # Strict: the default rebuilds any importable type that stands in a checkpoint.
        super().__init__(connection, serde=JsonPlusSerializer(allowed_msgpack_modules=None))
        self.heads, self.patience = KeptHeads(), {}
        self._connection, self._path = connection, path

    async def is_head(self, head: Head) -> bool:
        """Tell if no other process has written the file since the look before the head was written."""
        self.heads.era = await self._connection.others_writes()
        return head.era == self.heads.era

    async def setup(self) -> None:
        """Make the tables that are missing."""
        if not self.is_setup:
            await super().setup()
            self.heads.era = await self._connection.others_writes()

    async def try_write(self) -> None:
        """Write about as much as a turn does, then roll it back. Raises `StorageError` when that fails."""
        try:
            async with self.lock:
                await self._connection.try_write(_TRIAL)
        except sqlite3.Error as error:
            raise storage_error(self._path, error) from error

    async def prune_thread(self, thread_id: str, keep: int) -> None:
        """Delete all but the newest `keep` checkpoints of a thread; see `Checkpointer`."""
        # The checkpoints last: they tell how old the writes are.
        old = [(f"DELETE FROM {table} WHERE {_OLD}", (thread_id, thread_id, keep - 1)) for table in _PRUNED]

        async def delete() -> None:
            async with self.lock:
                await self._connection.transaction(old)

        await _unlocked(delete, lambda: 0.0)  # The next turn does it too.

    async def erase(self, thread_ids: Sequence[str]) -> None:
        """Delete all checkpoints of these threads, and overwrite in the file what they held."""
        for thread_id in thread_ids:
            self.heads.drop(thread_id)
        await _unlocked(lambda: self._erase(thread_ids))

    async def _erase(self, thread_ids: Sequence[str]) -> None:
        ids = json.dumps(thread_ids)
        async with self.lock:
            await self._connection.transaction(
                [(f"DELETE FROM {table} WHERE {_OF_THREADS}", (ids,)) for table in _TABLES]
            )
            await self._connection.run(_clean_old)
            # The log would hold the words until it is full, and the file until the log is written back.
            if await self._connection.run(empty_log):
                locked = StorageError("another program reads the checkpoints: end it, then try again")
                locked.retryable = True
                raise locked

    async def count(self, thread_ids: Sequence[str]) -> dict[str, int]:
        """Return how many rows of each of the saver's tables belong to these threads."""
        counts: dict[str, int] = {}
        async with self.lock:
            for table in _TABLES:
                query = f"SELECT count(*) FROM {table} WHERE {_OF_THREADS}"
                for (number,) in await self.conn.execute_fetchall(query, (json.dumps(thread_ids),)):
                    counts[table] = number
        return counts

    async def threads(self, thread_id: str | None = None) -> dict[tuple[str, str], int]:
        """Return the number of checkpoints by thread and name space, of all threads or of one."""
        query = (
            "SELECT thread_id, checkpoint_ns, count(*) FROM checkpoints WHERE ?1 IS NULL OR thread_id = ?1 "
            "GROUP BY 1, 2 ORDER BY 1, 2"
        )
        async with self.lock:
            rows = await self.conn.execute_fetchall(query, (thread_id,))
        return {(thread, space): number for thread, space, number in rows}

    def write_patiently(self, thread_id: str, seconds: Callable[[], float] | None) -> None:
        """Let writes for the thread be tried again while the file is locked; see `Checkpointer`."""
        if seconds is None:
            self.patience.pop(thread_id, None)
        else:
            self.patience[thread_id] = seconds


@asynccontextmanager
async def open_saver(path: str, health: StorageHealth) -> AsyncGenerator[SqliteSaver]:
    """Open the saver on the file at `path`, which may be `:memory:`, and close it behind the body.

    What fails later is noted in `health`. Raises `StorageError` when the file cannot be opened or is no
    database.
    """
    try:
        if path != ":memory:":
            make_file(Path(path))
        connection = await connect(path)
        try:
            for pragma in _PRAGMAS:
                await connection.execute(f"PRAGMA {pragma}")
            await connection.run(_mark_new)
            saver = SqliteSaver(connection, path)
            await saver.setup()
            await connection.execute(f"PRAGMA {_SHORT_WAIT}")
        except BaseException:
            await connection.close()
            raise
    except (OSError, sqlite3.Error) as error:
        raise StorageError(
            f"the checkpoint file {path} cannot be used ({error}): check its folder, or move it away"
        ) from error

    def note(error: sqlite3.Error) -> None:
        failed = storage_error(path, error)
        if not failed.retryable:  # Else it is tried again.
            health.failed(failed)

    connection.failed = note
    try:
        yield saver
    finally:
        await connection.close()


def _mark_new(connection: sqlite3.Connection) -> None:
    if connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None:
        connection.execute(f"PRAGMA user_version={_OVERWRITTEN}")


def _clean_old(connection: sqlite3.Connection) -> None:
    """Rewrite, once, a file in which earlier versions left words when they pruned."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version != _OVERWRITTEN:
        connection.execute("VACUUM")
        connection.execute(f"PRAGMA user_version={_OVERWRITTEN}")
