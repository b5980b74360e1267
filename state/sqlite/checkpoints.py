"""Checkpoints on SQLite, in a separate file."""

import json
import sqlite3
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from ..checkpoints.checkpoint_rows import Found
from ..checkpoints.checkpointer import Checkpointer
from ..checkpoints.head_cache import Head
from ..checkpoints.write_queue import Batch, WriteQueue
from ..database.faults import storage_error
from ..database.retrying import retry_while_locked
from ..database.storage_health import StorageHealth
from ..errors import StorageError
from . import checkpoint_rows as rows
from .checkpoint_upgrade import prepare
from .connection import BUSY_SECONDS, truncate_log
from .file_connection import FileConnection
from .private_files import make_file

T = TypeVar("T")

# One bound parameter for any number of ids.
_OF_THREADS = "thread_id IN (SELECT value FROM json_each(?))"

_SHORT_WAIT = "busy_timeout=50"
"""After opening: while a statement waits for a lock, no other one runs on the connection."""

_TRIAL = "INSERT INTO pieces VALUES ('', '', ?)"


class SqliteSaver(Checkpointer):
    """The checkpoints of a file, on this process's only connection that writes it."""

    def __init__(self, connection: FileConnection, path: str) -> None:
        super().__init__()
        self.write_limits = dict[str, Callable[[], float]]()
        """Functions by thread key that return the current time limit of its writes, by default 5 seconds."""
        self.connection, self._path = connection, path
        self._queue = WriteQueue(self._commit)

    async def is_head(self, thread_id: str, head: Head) -> bool:
        """Return whether no other process has written the file since shortly before the head was written."""
        self.heads.data_version = await self.connection.data_version()
        return head.data_version == self.heads.data_version

    async def open(self) -> None:
        """Record the state of the file at opening."""
        self.heads.data_version = await self.connection.data_version()

    async def close(self) -> None:
        """Write all waiting writes."""
        await self._queue.close()

    def queue_of(self, thread_id: str) -> WriteQueue:
        """Return the queue of all threads: what is written together is synced once."""
        return self._queue

    async def read(self, wanted: Mapping[str, Any], *, newest: bool = False) -> Found:
        """Return the checkpoints that conditions hold for, once all writes of their thread are stored."""
        most = 1 if newest else -1
        reading = partial(rows.read, wanted=wanted, most=most)
        return await self._read_by(reading, wanted.get("thread_id ="))

    async def adelete_thread(self, thread_id: str) -> None:
        """Delete all checkpoints of a thread."""
        await self._delete([thread_id])

    async def try_write(self) -> None:
        """Write about as much as a turn does, then roll back. Raises `StorageError` on failure."""
        with self._faults(self._path):
            await self.connection.try_write(_TRIAL)

    async def prune_thread(self, thread_id: str, keep: int) -> None:
        """Delete all but the newest `keep` checkpoints of a thread, see `Checkpointer`."""
        await self._queue.settle(thread_id)
        self.known.pop(thread_id, None)
        pruned = partial(rows.prune, thread_id=thread_id, keep=keep)
        # Without retries: the next turn prunes again.
        await self._write(lambda: self.connection.write(pruned), lambda: 0.0)

    async def prune_soon(self, thread_id: str, keep: int) -> None:
        """Delete old checkpoints together with the last writes of the turn."""
        self._queue.add(thread_id, lambda: [partial(rows.prune, thread_id=thread_id, keep=keep)])
        await self._queue.until_written(thread_id)

    async def erase(self, thread_ids: Sequence[str]) -> None:
        """Delete all checkpoints of these threads, and overwrite their contents in the file."""
        await self._delete(thread_ids)
        # Otherwise the write-ahead log would keep the text until it is full, and the file until then too.
        await self._write(self._empty_log)

    async def _empty_log(self) -> None:
        if await self.connection.run(truncate_log):
            locked = StorageError("another program is reading the checkpoints: stop it, then try again")
            locked.retryable = True
            raise locked

    async def count(self, thread_ids: Sequence[str]) -> dict[str, int]:
        """Return the number of rows of these threads in each table of the checkpointer."""
        ids = (json.dumps(thread_ids),)
        counts: dict[str, int] = {}
        for table in rows.TABLES:
            [(counts[table],)] = await self._fetch(f"SELECT count(*) FROM {table} WHERE {_OF_THREADS}", ids)
        return counts

    async def threads(self, thread_id: str | None = None) -> dict[tuple[str, str], int]:
        """Return the number of checkpoints by thread and namespace, for one thread or all."""
        where, given = ("TRUE", ()) if thread_id is None else ("thread_id = ?", (thread_id,))
        query = (
            f"SELECT thread_id, space, count(*) FROM checkpoints WHERE {where} GROUP BY 1, 2 ORDER BY 1, 2"
        )
        found = await self._read_by(lambda file: file.execute(query, given).fetchall(), thread_id)
        return {(thread, space): number for thread, space, number in found}

    def retry_writes(self, thread_id: str, seconds: Callable[[], float] | None) -> None:
        """Retry writes for the thread while the file is locked, see `Checkpointer`."""
        if seconds is None:
            self.write_limits.pop(thread_id, None)
        else:
            self.write_limits[thread_id] = seconds

    async def _fetch(self, sql: str, given: Sequence[Any]) -> list[Any]:
        return await self._read_by(lambda connection: connection.execute(sql, given).fetchall(), None)

    async def _read_by(self, function: Callable[[sqlite3.Connection], T], thread_id: str | None) -> T:
        """Return what `function` reads of a thread, or of any, once its writes are in the file."""
        self.opened_in.check()
        await self._queue.settle(thread_id)
        with self._faults():
            return await self.connection.run(function)

    async def _commit(self, batch: Batch) -> None:
        writes = [write for each in batch.values() for write in each]
        limits = [self.write_limits.get(thread_id, _busy_seconds) for thread_id in batch]
        try:
            await self._write(
                lambda: self.connection.write(partial(rows.write, writes=writes)),
                lambda: max(each() for each in limits),
            )
        except BaseException:
            for thread_id in batch:
                self.forget(thread_id)
            raise

    async def _delete(self, thread_ids: Sequence[str]) -> None:
        for thread_id in thread_ids:
            await self._queue.settle(thread_id)
        for thread_id in thread_ids:
            self.forget(thread_id)
        ids = (json.dumps(thread_ids),)

        def delete(connection: sqlite3.Connection) -> None:
            for table in rows.TABLES:
                connection.execute(f"DELETE FROM {table} WHERE {_OF_THREADS}", ids)

        await self._write(lambda: self.connection.write(delete))

    async def _write(self, write: Callable[[], Any], seconds: Callable[[], float] | None = None) -> None:
        """Call `write` again while another program has the file locked. Raises `StorageError`."""

        async def once() -> None:
            with self._faults():
                await write()

        await retry_while_locked(once, seconds or _busy_seconds)

    @contextmanager
    def _faults(self, shown: str = "of the checkpoints") -> Generator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise storage_error(shown, error) from error


def _busy_seconds() -> float:
    return BUSY_SECONDS


@asynccontextmanager
async def open_saver(path: str, health: StorageHealth) -> AsyncGenerator[SqliteSaver]:
    """Open the checkpoints in the file at `path`, which may be `:memory:`, and close it after the body.

    Later failures are recorded in `health`. Raises `StorageError` if the file cannot be opened, is not a
    database, or was created by a newer version.
    """
    try:
        if path != ":memory:":
            make_file(Path(path))
        connection = FileConnection(path)
        try:
            await connection.run(partial(prepare, path=path))
            saver = SqliteSaver(connection, path)
            await saver.open()
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
        if not failed.retryable:  # Retryable ones are tried again.
            health.failed(failed)

    connection.failed = note
    try:
        yield saver
    finally:
        await saver.close()
        await connection.close()
