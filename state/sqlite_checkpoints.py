"""Checkpoints on SQLite: a file of their own."""

import json
import sqlite3
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from .errors import StorageError
from .faults import storage_error
from .kept_heads import Head, KeepsHeads, KeptHeads
from .private_files import make_file
from .quick_sqlite import QuickConnection, connect
from .storage_health import StorageHealth

_PRAGMAS = ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=5000")

_TRIAL = "INSERT INTO checkpoints (thread_id, checkpoint_id, checkpoint) VALUES ('', '', ?)"
_TABLES = ("checkpoints", "writes")
# One bound value, however many ids there are.
_OF_THREADS = "thread_id IN (SELECT value FROM json_each(?))"


class SqliteSaver(KeepsHeads, AsyncSqliteSaver):
    """LangGraph's saver on a connection of ours: the only one of this process that writes the file."""

    def __init__(self, connection: QuickConnection) -> None:
        # Strict: the default rebuilds any importable type that stands in a checkpoint.
        super().__init__(connection, serde=JsonPlusSerializer(allowed_msgpack_modules=None))
        self.heads = KeptHeads()

    async def is_head(self, head: Head) -> bool:
        """Tell if no other process has written the file since the look before the head was written."""
        self.heads.era = await _connection(self).others_writes()
        return head.era == self.heads.era

    async def setup(self) -> None:
        """Make the tables that are missing."""
        if not self.is_setup:
            await super().setup()
            self.heads.era = await _connection(self).others_writes()


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
            saver = SqliteSaver(connection)
            await saver.setup()
        except BaseException:
            await connection.close()
            raise
    except (OSError, sqlite3.Error) as error:
        raise StorageError(
            f"the checkpoint file {path} cannot be used ({error}): check its folder, or move it away"
        ) from error
    connection.failed = lambda error: health.failed(storage_error(path, error))
    try:
        yield saver
    finally:
        await connection.close()


async def try_write(saver: AsyncSqliteSaver, path: str) -> None:
    """Write about as much as a turn does, then roll it back. Raises `StorageError` when that fails."""
    try:
        async with saver.lock:
            await _connection(saver).try_write(_TRIAL)
    except sqlite3.Error as error:
        raise storage_error(path, error) from error


async def prune(saver: AsyncSqliteSaver, thread_id: str, keep: int) -> None:
    """Delete all but the newest `keep` checkpoints of a thread, and the writes that belong to them."""
    oldest_kept = (
        "(SELECT checkpoint_id FROM checkpoints WHERE thread_id = ? AND checkpoint_ns = '' "
        "ORDER BY checkpoint_id DESC LIMIT 1 OFFSET ?)"
    )
    old = f"thread_id = ? AND checkpoint_ns = '' AND checkpoint_id < {oldest_kept}"
    # The checkpoints last: they tell how old the writes are.
    tables = ("writes", "checkpoints")
    statements = [(f"DELETE FROM {table} WHERE {old}", (thread_id, thread_id, keep - 1)) for table in tables]
    async with saver.lock:
        await _connection(saver).transaction(statements)


async def erase(saver: AsyncSqliteSaver, thread_ids: Sequence[str]) -> None:
    """Delete all checkpoints of these threads, and overwrite in the file what they held."""
    ids = json.dumps(thread_ids)
    async with saver.lock:
        await saver.conn.execute("PRAGMA secure_delete=ON")
        await _connection(saver).transaction(
            [(f"DELETE FROM {table} WHERE {_OF_THREADS}", (ids,)) for table in _TABLES]
        )
        await saver.conn.execute("PRAGMA secure_delete=OFF")
        # The log would hold the words until it is full.
        await saver.conn.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")


async def count(saver: AsyncSqliteSaver, thread_ids: Sequence[str]) -> dict[str, int]:
    """Return how many rows of each of the saver's tables belong to these threads."""
    counts: dict[str, int] = {}
    async with saver.lock:
        for table in _TABLES:
            query = f"SELECT count(*) FROM {table} WHERE {_OF_THREADS}"
            for (number,) in await saver.conn.execute_fetchall(query, (json.dumps(thread_ids),)):
                counts[table] = number
    return counts


async def threads(saver: AsyncSqliteSaver, thread_id: str | None) -> dict[tuple[str, str], int]:
    """Return the number of checkpoints by thread and name space, of all threads or of one."""
    query = (
        "SELECT thread_id, checkpoint_ns, count(*) FROM checkpoints WHERE ?1 IS NULL OR thread_id = ?1 "
        "GROUP BY 1, 2 ORDER BY 1, 2"
    )
    async with saver.lock:
        rows = await saver.conn.execute_fetchall(query, (thread_id,))
    return {(thread, space): number for thread, space, number in rows}


def _connection(saver: AsyncSqliteSaver) -> QuickConnection:
    return cast(QuickConnection, saver.conn)
