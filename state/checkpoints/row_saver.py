"""A checkpointer that stores checkpoints as rows of a database, by thread key."""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
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

from ..database.opened_in import OpenedIn
from . import checkpoint_rows as rows
from .checkpoint_clock import count_on
from .head_cache import Head, HeadCache
from .pieces import Known, digests_in
from .sync_saver import SyncSaver
from .write_queue import Encoding, WriteQueue


class RowSaver(SyncSaver):
    """Reads and writes checkpoints by thread key; subclasses run the SQL."""

    def __init__(self) -> None:
        # Strict: the default deserializes any importable type named in a checkpoint.
        super().__init__(serde=JsonPlusSerializer(allowed_msgpack_modules=None))
        self.heads = HeadCache()
        self.opened_in = OpenedIn()
        self.known: dict[str, Known] = {}
        """The pieces stored for threads with a running turn."""
        self.newest: dict[str, str] = {}
        """Ids of the newest checkpoints of these threads that were read or queued for writing."""
        self.given = asyncio.Event()

    @abstractmethod
    async def read(self, wanted: Mapping[str, Any], *, newest: bool = False) -> rows.Found:
        """Return the checkpoints that conditions as `id <` hold for, or the newest one of them."""

    @abstractmethod
    def queue_of(self, thread_id: str) -> WriteQueue:
        """Return the queue for the writes of a thread."""

    @abstractmethod
    async def is_head(self, thread_id: str, head: Head) -> bool:
        """Return whether this is still the newest checkpoint of its thread, whatever other processes did."""

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return the given checkpoint, or the newest of the thread."""
        place = config.get("configurable", {})
        thread_id, space = str(place["thread_id"]), place.get("checkpoint_ns") or ""
        named = get_checkpoint_id(config)
        if self.heads.is_empty(thread_id):
            return None
        head = None if named or space else self.heads.take(thread_id)
        if head is not None and await self.is_head(thread_id, head):
            known = self.known_of(thread_id)
            known.stored.update(digests_in(head.digests))
            known.of_object.update(head.of_object)
            self.note(thread_id, head.found.checkpoint["id"])
            return head.found
        wanted = {"thread_id =": thread_id, "space =": space, **({"id =": named} if named else {})}
        found = await self.read(wanted, newest=True)
        if not found.checkpoints:
            return None
        read = rows.tuple_of(found.checkpoints[0], found, self.serde)
        count_on(read.checkpoint["id"])
        self.note(thread_id, read.checkpoint["id"])
        return read

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
            "thread_id =": place.get("thread_id"),
            "space =": place.get("checkpoint_ns"),
            "id =": place.get("checkpoint_id"),
            "id <": None if before is None else get_checkpoint_id(before),
        }
        found = await self.read({name: value for name, value in wanted.items() if value is not None})
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
        thread_id, space = str(place["thread_id"]), place.get("checkpoint_ns") or ""
        self.note(thread_id, checkpoint["id"])
        known = self.known_of(thread_id)

        def encode() -> Sequence[rows.Row]:
            written = rows.put(config, checkpoint, metadata, self.serde, known)
            if not space:
                *_, digests, _ = written[-1][1]
                self.heads.wrote(thread_id, place.get("checkpoint_id"), checkpoint, metadata, digests)
            return written

        await self._add(thread_id, encode)
        return rows.config_of(thread_id, space, checkpoint["id"])

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Write a step's results before its checkpoint; those of a turn are written in the background."""
        thread_id = str(config.get("configurable", {})["thread_id"])
        self.heads.drop(thread_id)
        known, task = self.known_of(thread_id), (task_id, task_path)
        await self._add(thread_id, lambda: rows.put_writes(config, writes, task, self.serde, known))

    def get_next_version(self, current: Any, channel: None) -> Any:
        """Return the next version of a channel: 32 digits, like the first part of LangGraph's versions."""
        number = 0 if current is None else int(str(current).split(".")[0])
        return f"{number + 1:032}"

    def known_of(self, thread_id: str) -> Known:
        """Return what is stored of a thread, which is remembered as long as its turn runs."""
        return self.known.setdefault(thread_id, Known()) if self.heads.has_turn(thread_id) else Known()

    def forget(self, thread_id: str) -> None:
        """Forget what is stored of a thread, and what its newest checkpoint is."""
        self.heads.drop(thread_id)
        self.known.pop(thread_id, None)

    def note(self, thread_id: str, checkpoint_id: str) -> None:
        """Note that the turn of a thread has read a checkpoint, or given it to write."""
        if self.heads.has_turn(thread_id):
            self.heads.filled(thread_id)
            self.newest[thread_id] = max(checkpoint_id, self.newest.get(thread_id, ""))
            self.given.set()

    async def _add(self, thread_id: str, encoding: Encoding) -> None:
        self.opened_in.check()
        queue = self.queue_of(thread_id)
        if self.heads.has_turn(thread_id):
            queue.add(thread_id, partial(self._encoded, thread_id, encoding))
            return
        written = encoding()
        queue.forgive(thread_id)
        queue.add(thread_id, lambda: written)
        await queue.until_written(thread_id)

    def _encoded(self, thread_id: str, encoding: Encoding) -> Sequence[rows.Row]:
        try:
            return encoding()
        except BaseException:
            self.forget(thread_id)  # Pieces of what failed count as stored.
            raise
