"""Checkpoints on SQLite: a file of their own."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    get_checkpoint_id,
)
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from ..checkpoints.checkpointer import LONGEST_WRITE, Checkpointer
from ..checkpoints.from_threads import FromThreads
from ..checkpoints.kept_heads import Head, KeepsHeads, KeptHeads
from ..checkpoints.pieces import Known
from ..checkpoints.write_queue import Batch, WriteQueue
from ..database.faults import storage_error
from ..database.opened_in import OpenedIn
from ..database.retrying import until_unlocked
from ..database.storage_health import StorageHealth
from ..errors import StorageError
from . import checkpoint_rows as rows
from .checkpoint_upgrade import prepare
from .connection import BUSY_SECONDS, empty_log
from .private_files import make_file
from .quick_connection import QuickConnection, connect

_SHORT_WAIT = "busy_timeout=50"
"""Once the file is open: while a statement waits for a lock, no other one runs on the connection."""

_TRIAL = "INSERT INTO pieces VALUES ('', '', ?)"
# One bound value, however many ids there are.
_OF_THREADS = "thread_id IN (SELECT value FROM json_each(?))"


class _Rows(FromThreads):
    """Reads and writes checkpoints by the keys of threads."""

    heads: KeptHeads

    def __init__(self, connection: QuickConnection, path: str) -> None:
        # Strict: the default rebuilds any importable type that stands in a checkpoint.
        super().__init__(serde=JsonPlusSerializer(allowed_msgpack_modules=None))
        self.heads, self.patience = KeptHeads(), dict[str, Callable[[], float]]()
        """Seconds that the writes of threads may take now, by key; those of others may take five."""
        self.lock, self._opened_in = asyncio.Lock(), OpenedIn()
        self.connection, self._path = connection, path
        self._queue = WriteQueue(self._commit)
        self._known: dict[str, Known] = {}
        """What is stored of threads with a running turn."""
        self._newest: dict[str, str] = {}
        """Ids of the newest checkpoints of these threads that were read or given to write."""
        self._given = asyncio.Event()

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return the named checkpoint, or the newest of the thread."""
        place = config.get("configurable", {})
        where, given = "thread_id = ? AND space = ?", [place["thread_id"], place.get("checkpoint_ns") or ""]
        if checkpoint_id := get_checkpoint_id(config):
            where, given = f"{where} AND id = ?", [*given, checkpoint_id]
        found = await self._read(where, given, most=1)
        if not found.checkpoints:
            return None
        self._note(str(place["thread_id"]), found.checkpoints[0][2])
        return rows.tuple_of(found.checkpoints[0], found, self.serde)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Yield checkpoints, the newest first."""
        place = {} if config is None else config.get("configurable", {})
        wanted = {
            "thread_id = ?": place.get("thread_id"),
            "space = ?": place.get("checkpoint_ns"),
            "id = ?": place.get("checkpoint_id"),
            "id < ?": None if before is None else get_checkpoint_id(before),
        }
        wanted = {condition: value for condition, value in wanted.items() if value is not None}
        found = await self._read(" AND ".join(wanted) or "TRUE", list(wanted.values()))
        left = len(found.checkpoints) if limit is None else limit
        for raw in found.checkpoints:
            if left <= 0:
                return
            each = rows.tuple_of(raw, found, self.serde)
            if all(each.metadata.get(key) == value for key, value in (filter or {}).items()):
                left -= 1
                yield each

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Write a checkpoint; that of a turn is written soon, see `until_written`."""
        place = config.get("configurable", {})
        thread_id = str(place["thread_id"])
        self._note(thread_id, checkpoint["id"])
        known = self._known_of(thread_id)
        await self._add(thread_id, rows.put(config, checkpoint, metadata, self.serde, known))
        return rows.config_of(thread_id, place.get("checkpoint_ns") or "", checkpoint["id"])

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Write what a step gave before its checkpoint is made; that of a turn is written soon."""
        thread_id = str(config.get("configurable", {})["thread_id"])
        known = self._known_of(thread_id)
        task = (task_id, task_path)
        await self._add(thread_id, rows.put_writes(config, writes, task, self.serde, known))

    async def adelete_thread(self, thread_id: str) -> None:
        """Delete all checkpoints of a thread."""
        await self._delete([thread_id])

    def get_next_version(self, current: Any, channel: None) -> Any:
        """Return the next version of a channel: 32 digits, as the versions of LangGraph's savers begin."""
        number = 0 if current is None else int(str(current).split(".")[0])
        return f"{number + 1:032}"

    async def _add(self, thread_id: str, statements: list[rows.Statement]) -> None:
        self._opened_in.check()
        if self.heads.has_turn(thread_id):
            self._queue.add(thread_id, statements)
            return
        self._queue.forgive(thread_id)
        self._queue.add(thread_id, statements)
        await self._queue.until_written(thread_id)

    def _note(self, thread_id: str, checkpoint_id: str) -> None:
        if self.heads.has_turn(thread_id):
            self._newest[thread_id] = max(checkpoint_id, self._newest.get(thread_id, ""))
            self._given.set()

    def _known_of(self, thread_id: str) -> Known:
        return self._known.setdefault(thread_id, Known()) if self.heads.has_turn(thread_id) else Known()

    async def _read(self, where: str, given: Sequence[Any], most: int = -1) -> rows.Found:
        self._opened_in.check()
        await self._queue.settle()
        async with self.lock:
            return await self.connection.run(lambda connection: rows.read(connection, where, given, most))

    async def _commit(self, batch: Batch) -> None:
        writes = [write for each in batch.values() for write in each]
        patience = [self.patience.get(thread_id, _busy_seconds) for thread_id in batch]
        try:
            await self._write(
                lambda: self.connection.together(partial(rows.write, writes=writes)),
                lambda: max(each() for each in patience),
            )
        except BaseException:
            for thread_id in batch:
                self._forget(thread_id)
            raise

    async def _delete(self, thread_ids: Sequence[str]) -> None:
        await self._queue.settle()
        for thread_id in thread_ids:
            self._forget(thread_id)
        ids = (json.dumps(thread_ids),)
        delete = [(f"DELETE FROM {table} WHERE {_OF_THREADS}", ids) for table in rows.TABLES]
        await self._write(lambda: self.connection.transaction(delete))

    def _forget(self, thread_id: str) -> None:
        self.heads.drop(thread_id)
        self._known.pop(thread_id, None)

    async def _write(self, write: Callable[[], Any], seconds: Callable[[], float] | None = None) -> None:
        """Call `write` again while another program has the file locked. Raises `StorageError`."""

        async def once() -> None:
            try:
                async with self.lock:
                    await write()
            except sqlite3.Error as error:
                raise storage_error("of the checkpoints", error) from error

        await until_unlocked(once, seconds or _busy_seconds)


def _busy_seconds() -> float:
    return BUSY_SECONDS


class SqliteSaver(KeepsHeads, Checkpointer, _Rows):
    """The checkpoints of a file, on the only connection of this process that writes it."""

    async def is_head(self, head: Head) -> bool:
        """Return whether no other process has written the file since the look before the head was written."""
        self.heads.era = await self.connection.others_writes()
        return head.era == self.heads.era

    async def open(self) -> None:
        """Note what is in the file as it is opened."""
        self.heads.era = await self.connection.others_writes()

    async def close(self) -> None:
        """Write what waits."""
        await self._queue.close()

    @contextmanager
    def turn_on(self, thread_id: str) -> Generator[None]:
        """Give the turn in the body what the one before left in memory, and keep what it leaves."""
        self._queue.forgive(thread_id)
        try:
            with super().turn_on(thread_id):
                yield
        finally:
            self._known.pop(thread_id, None)
            self._newest.pop(thread_id, None)
            self._given.set()

    def has_failed(self, thread_id: str) -> bool:
        """Return whether something that the thread's turn wrote is lost."""
        return self._queue.has_failed(thread_id)

    async def until_written(
        self, thread_id: str, checkpoint_id: str | None, *, within: float | None = LONGEST_WRITE
    ) -> None:
        """Wait until a checkpoint and all before it are written; see `Checkpointer`."""
        try:
            async with asyncio.timeout(within):
                await self._until_given(thread_id, checkpoint_id or "")
                await self._queue.until_written(thread_id)
        except TimeoutError as error:
            raise StorageError("the step could not be written: the disk is too slow or full") from error

    async def _until_given(self, thread_id: str, checkpoint_id: str) -> None:
        while self.heads.has_turn(thread_id) and self._newest.get(thread_id, "") < checkpoint_id:
            self._given.clear()
            await self._given.wait()

    async def try_write(self) -> None:
        """Write about as much as a turn does, then roll it back. Raises `StorageError` when that fails."""
        try:
            async with self.lock:
                await self.connection.try_write(_TRIAL)
        except sqlite3.Error as error:
            raise storage_error(self._path, error) from error

    async def prune_thread(self, thread_id: str, keep: int) -> None:
        """Delete all but the newest `keep` checkpoints of a thread; see `Checkpointer`."""
        await self._queue.settle()
        self._known.pop(thread_id, None)
        pruned = partial(rows.prune, thread_id=thread_id, keep=keep)
        await self._write(lambda: self.connection.together(pruned), lambda: 0.0)  # The next turn does it too.

    async def prune_soon(self, thread_id: str, keep: int) -> None:
        """Delete old checkpoints together with what the turn wrote last."""
        self._queue.add(thread_id, [partial(rows.prune, thread_id=thread_id, keep=keep)])
        await self._queue.until_written(thread_id)

    async def erase(self, thread_ids: Sequence[str]) -> None:
        """Delete all checkpoints of these threads, and overwrite in the file what they held."""
        await self._delete(thread_ids)
        # The log would hold the words until it is full, and the file until the log is written back.
        await self._write(self._empty_log)

    async def _empty_log(self) -> None:
        if await self.connection.run(empty_log):
            locked = StorageError("another program reads the checkpoints: end it, then try again")
            locked.retryable = True
            raise locked

    async def count(self, thread_ids: Sequence[str]) -> dict[str, int]:
        """Return how many rows of each of the saver's tables belong to these threads."""
        await self._queue.settle()
        counts: dict[str, int] = {}
        async with self.lock:
            for table in rows.TABLES:
                query = f"SELECT count(*) FROM {table} WHERE {_OF_THREADS}"
                for (number,) in await self.connection.execute_fetchall(query, (json.dumps(thread_ids),)):
                    counts[table] = number
        return counts

    async def threads(self, thread_id: str | None = None) -> dict[tuple[str, str], int]:
        """Return the number of checkpoints by thread and name space, of all threads or of one."""
        query = (
            "SELECT thread_id, space, count(*) FROM checkpoints WHERE ?1 IS NULL OR thread_id = ?1 "
            "GROUP BY 1, 2 ORDER BY 1, 2"
        )
        await self._queue.settle()
        async with self.lock:
            found = await self.connection.execute_fetchall(query, (thread_id,))
        return {(thread, space): number for thread, space, number in found}

    def write_patiently(self, thread_id: str, seconds: Callable[[], float] | None) -> None:
        """Let writes for the thread be tried again while the file is locked; see `Checkpointer`."""
        if seconds is None:
            self.patience.pop(thread_id, None)
        else:
            self.patience[thread_id] = seconds


@asynccontextmanager
async def open_saver(path: str, health: StorageHealth) -> AsyncGenerator[SqliteSaver]:
    """Open the checkpoints in the file at `path`, which may be `:memory:`, and close it behind the body.

    What fails later is noted in `health`. Raises `StorageError` when the file cannot be opened, is no
    database, or was made by a newer version.
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
        if not failed.retryable:  # Else it is tried again.
            health.failed(failed)

    connection.failed = note
    try:
        yield saver
    finally:
        await saver.close()
        await connection.close()
