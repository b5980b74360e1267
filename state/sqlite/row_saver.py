"""A checkpointer that stores checkpoints as rows of an SQLite file, by thread key."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    get_checkpoint_id,
)
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from ..checkpoints.head_cache import HeadCache
from ..checkpoints.pieces import Known
from ..checkpoints.sync_saver import SyncSaver
from ..checkpoints.write_queue import Batch, WriteQueue
from ..database.faults import storage_error
from ..database.opened_in import OpenedIn
from ..database.retrying import retry_while_locked
from . import checkpoint_rows as rows
from .connection import BUSY_SECONDS
from .quick_connection import QuickConnection

T = TypeVar("T")

# One bound parameter for any number of ids.
OF_THREADS = "thread_id IN (SELECT value FROM json_each(?))"


class RowSaver(SyncSaver):
    """Reads and writes checkpoints by thread key."""

    heads: HeadCache

    def __init__(self, connection: QuickConnection, path: str) -> None:
        # Strict: the default deserializes any importable type named in a checkpoint.
        super().__init__(serde=JsonPlusSerializer(allowed_msgpack_modules=None))
        self.heads, self.write_limits = HeadCache(), dict[str, Callable[[], float]]()
        """Functions by thread key that return the current time limit of its writes, by default 5 seconds."""
        self.lock, self._opened_in = asyncio.Lock(), OpenedIn()
        self.connection, self._path = connection, path
        self._queue = WriteQueue(self._commit)
        self._known: dict[str, Known] = {}
        """The pieces stored for threads with a running turn."""
        self._newest: dict[str, str] = {}
        """Ids of the newest checkpoints of these threads that were read or queued for writing."""
        self._given = asyncio.Event()

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return the given checkpoint, or the newest of the thread."""
        place = config.get("configurable", {})
        where, given = "thread_id = ? AND space = ?", [place["thread_id"], place.get("checkpoint_ns") or ""]
        if checkpoint_id := get_checkpoint_id(config):
            where, given = f"{where} AND id = ?", [*given, checkpoint_id]
        found = await self._read(where, given, str(place["thread_id"]), most=1)
        return rows.tuple_of(found.checkpoints[0], found, self.serde) if found.checkpoints else None

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Yield checkpoints, newest first."""
        place = {} if config is None else config.get("configurable", {})
        wanted = {
            "thread_id = ?": place.get("thread_id"),
            "space = ?": place.get("checkpoint_ns"),
            "id = ?": place.get("checkpoint_id"),
            "id < ?": None if before is None else get_checkpoint_id(before),
        }
        wanted = {condition: value for condition, value in wanted.items() if value is not None}
        of_thread = place.get("thread_id")
        found = await self._read(" AND ".join(wanted) or "TRUE", list(wanted.values()), of_thread)
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
        """Write a checkpoint; that of a turn is written in the background, see `until_written`."""
        place = config.get("configurable", {})
        thread_id = str(place["thread_id"])
        self._note(thread_id, checkpoint["id"])
        known = self._known_of(thread_id)
        await self._add(thread_id, rows.put(config, checkpoint, metadata, self.serde, known))
        return rows.config_of(thread_id, place.get("checkpoint_ns") or "", checkpoint["id"])

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Write a step's results before its checkpoint; those of a turn are written in the background."""
        thread_id = str(config.get("configurable", {})["thread_id"])
        known = self._known_of(thread_id)
        task = (task_id, task_path)
        await self._add(thread_id, rows.put_writes(config, writes, task, self.serde, known))

    async def adelete_thread(self, thread_id: str) -> None:
        """Delete all checkpoints of a thread."""
        await self._delete([thread_id])

    def get_next_version(self, current: Any, channel: None) -> Any:
        """Return the next version of a channel: 32 digits, like the first part of LangGraph's versions."""
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

    async def _read(
        self, where: str, given: Sequence[Any], thread_id: str | None, most: int = -1
    ) -> rows.Found:
        return await self._read_by(lambda connection: rows.read(connection, where, given, most), thread_id)

    async def _fetch(self, sql: str, given: Sequence[Any]) -> list[Any]:
        return await self._read_by(lambda connection: connection.execute(sql, given).fetchall(), None)

    async def _read_by(self, function: Callable[[sqlite3.Connection], T], thread_id: str | None) -> T:
        """Return the result of `function`, after the queued writes of the thread, or of all, are stored."""
        self._opened_in.check()
        await self._queue.settle(thread_id)
        with self._faults():
            async with self.lock:
                return await self.connection.run(function)

    async def _commit(self, batch: Batch) -> None:
        writes = [write for each in batch.values() for write in each]
        limits = [self.write_limits.get(thread_id, _busy_seconds) for thread_id in batch]
        try:
            await self._write(
                lambda: self.connection.together(partial(rows.write, writes=writes)),
                lambda: max(each() for each in limits),
            )
        except BaseException:
            for thread_id in batch:
                self._forget(thread_id)
            raise

    async def _delete(self, thread_ids: Sequence[str]) -> None:
        for thread_id in thread_ids:
            await self._queue.settle(thread_id)
        for thread_id in thread_ids:
            self._forget(thread_id)
        ids = (json.dumps(thread_ids),)
        delete = [(f"DELETE FROM {table} WHERE {OF_THREADS}", ids) for table in rows.TABLES]
        await self._write(lambda: self.connection.transaction(delete))

    def _forget(self, thread_id: str) -> None:
        self.heads.drop(thread_id)
        self._known.pop(thread_id, None)

    async def _write(self, write: Callable[[], Any], seconds: Callable[[], float] | None = None) -> None:
        """Call `write`, and again while another program has the file locked. Raises `StorageError`."""

        async def once() -> None:
            with self._faults():
                async with self.lock:
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
