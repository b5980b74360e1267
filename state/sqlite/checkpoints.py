"""Checkpoints on SQLite, in a separate file."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointTuple

from ..agents.thread_keys import key_of_call
from ..checkpoints.checkpointer import LONGEST_WRITE, Checkpointer
from ..checkpoints.head_cache import CachingSaver, Head
from ..database.faults import storage_error
from ..database.storage_health import StorageHealth
from ..errors import StorageError
from . import checkpoint_rows as rows
from .checkpoint_upgrade import prepare
from .connection import truncate_log
from .private_files import make_file
from .quick_connection import connect
from .row_saver import OF_THREADS, RowSaver

_SHORT_WAIT = "busy_timeout=50"
"""After opening: while a statement waits for a lock, no other one runs on the connection."""

_NEVER_WAITED_FOR = "~"
"""Greater than the id of any checkpoint."""
_TRIAL = "INSERT INTO pieces VALUES ('', '', ?)"


class SqliteSaver(CachingSaver, Checkpointer, RowSaver):
    """The checkpoints of a file, on this process's only connection that writes it."""

    async def is_head(self, head: Head) -> bool:
        """Return whether no other process has written the file since shortly before the head was written."""
        self.heads.data_version = await self.connection.others_writes()
        return head.data_version == self.heads.data_version

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return the given checkpoint, or the newest of the thread."""
        found = await super().aget_tuple(config)
        if found is not None:
            self._note(key_of_call(config.get("configurable", {})), found.checkpoint["id"])
        return found

    async def open(self) -> None:
        """Record the state of the file at opening."""
        self.heads.data_version = await self.connection.others_writes()

    async def close(self) -> None:
        """Write all waiting writes."""
        await self._queue.close()

    @contextmanager
    def turn_on(self, thread_id: str, *, each_step: bool = True) -> Generator[None]:
        """Give the turn in the body the cached head of the thread, see `Checkpointer`."""
        self._queue.forgive(thread_id)
        self._newest[thread_id] = "" if each_step else _NEVER_WAITED_FOR
        try:
            with super().turn_on(thread_id):
                yield
        finally:
            self._known.pop(thread_id, None)
            self._newest.pop(thread_id, None)
            self._given.set()

    def has_failed(self, thread_id: str) -> bool:
        """Return whether a write of the thread's turn was lost."""
        return self._queue.has_failed(thread_id)

    async def until_written(
        self, thread_id: str, checkpoint_id: str | None, *, within: float | None = LONGEST_WRITE
    ) -> None:
        """Wait until a checkpoint and all earlier ones are written, see `Checkpointer`."""
        try:
            async with asyncio.timeout(within):
                await self._until_given(thread_id, checkpoint_id or "")
                await self._queue.until_written(thread_id)
        except TimeoutError as error:
            raise StorageError("the step could not be written: the disk is too slow or full") from error

    async def _until_given(self, thread_id: str, checkpoint_id: str) -> None:
        while self._newest.get(thread_id, _NEVER_WAITED_FOR) < checkpoint_id:
            self._given.clear()
            await self._given.wait()

    async def try_write(self) -> None:
        """Write about as much as a turn does, then roll back. Raises `StorageError` on failure."""
        with self._faults(self._path):
            async with self.lock:
                await self.connection.try_write(_TRIAL)

    async def prune_thread(self, thread_id: str, keep: int) -> None:
        """Delete all but the newest `keep` checkpoints of a thread, see `Checkpointer`."""
        await self._queue.settle(thread_id)
        self._known.pop(thread_id, None)
        pruned = partial(rows.prune, thread_id=thread_id, keep=keep)
        # Without retries: the next turn prunes again.
        await self._write(lambda: self.connection.together(pruned), lambda: 0.0)

    async def prune_soon(self, thread_id: str, keep: int) -> None:
        """Delete old checkpoints together with the last writes of the turn."""
        self._queue.add(thread_id, [partial(rows.prune, thread_id=thread_id, keep=keep)])
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
            [(counts[table],)] = await self._fetch(f"SELECT count(*) FROM {table} WHERE {OF_THREADS}", ids)
        return counts

    async def threads(self, thread_id: str | None = None) -> dict[tuple[str, str], int]:
        """Return the number of checkpoints by thread and namespace, for one thread or all."""
        query = (
            "SELECT thread_id, space, count(*) FROM checkpoints WHERE ?1 IS NULL OR thread_id = ?1 "
            "GROUP BY 1, 2 ORDER BY 1, 2"
        )
        found = await self._fetch(query, (thread_id,))
        return {(thread, space): number for thread, space, number in found}

    def retry_writes(self, thread_id: str, seconds: Callable[[], float] | None) -> None:
        """Retry writes for the thread while the file is locked, see `Checkpointer`."""
        if seconds is None:
            self.write_limits.pop(thread_id, None)
        else:
            self.write_limits[thread_id] = seconds


@asynccontextmanager
async def open_saver(path: str, health: StorageHealth) -> AsyncGenerator[SqliteSaver]:
    """Open the checkpoints in the file at `path`, which may be `:memory:`, and close it after the body.

    Later failures are recorded in `health`. Raises `StorageError` if the file cannot be opened, is not a
    database, or was created by a newer version.
    """
    try:
        if path != ":memory:":
            make_file(Path(path))
        connection = await connect(path)
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
