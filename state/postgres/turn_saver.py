"""The checkpoints of one running turn on PostgreSQL: written only while the turn has its thread."""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    copy_checkpoint,
)

from ..checkpoints.checkpoint_clock import count_on
from ..errors import StorageError
from .checkpoints import PostgresSaver
from .patience import Patience

T = TypeVar("T")


class TurnSaver(PostgresSaver):
    """A saver over the pool of `shared` for one turn; it uses one connection at a time.

    While the server is away it writes again and again, as long as its `patience` lasts.
    """

    def __init__(self, shared: PostgresSaver, patience: Patience) -> None:
        super().__init__(shared.pool, shared.shown, shared.health, shared.serde)
        self.lock = asyncio.Lock()
        self._lease, self._patience = patience.lease, patience
        if self._lease.head is not None:
            count_on(self._lease.head)
        self.heads = shared.heads
        self._read: CheckpointTuple | None = None
        self._writing: set[asyncio.Future[Any]] = set()
        self._has_failed = False

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return the named checkpoint, or the newest of the thread: nobody else writes one meanwhile."""
        given = config.get("configurable", {})
        wanted = given.get("checkpoint_id") or self._lease.head
        if given.get("checkpoint_ns") or wanted != self._lease.head:
            return await super().aget_tuple(config)
        if wanted is None:
            return None
        if self._read is None or self._read.checkpoint["id"] != wanted:
            kept = self.heads.take(config)
            if kept is not None and kept.found.checkpoint["id"] == wanted:
                # Under the lock the newest checkpoint is known: another process may have written since.
                self._read = kept.found
            else:
                read = super().aget_tuple
                self._read = await self._patience.write(lambda: read(config))
        return None if self._read is None else _copy(self._read)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Write a checkpoint. Raises `ThreadLost`, and `StorageError` when the patience has an end."""
        write = super().aput

        async def put() -> RunnableConfig:
            self._lease.writing(checkpoint["id"])
            return await write(config, checkpoint, metadata, new_versions)

        written = await self._noted(self._patience.write(put))
        if not config.get("configurable", {}).get("checkpoint_ns"):
            self.heads.wrote(config, checkpoint, metadata)
        return written

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Write what a step gave. Raises as `aput` does."""
        write = super().aput_writes
        self._read = None
        await self._noted(self._patience.write(lambda: write(config, writes, task_id, task_path)))

    async def written(self, within: float) -> None:
        """Wait until what the steps so far gave is written: then nobody asks the model for it again.

        Raises `StorageError` when that takes longer than so many seconds, or a write of the turn has failed.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await asyncio.sleep(0)  # LangGraph begins to write in tasks of its own.
                while self._writing:
                    await asyncio.wait(self._writing)
                    await asyncio.sleep(0)  # It begins a checkpoint once the one before is written.
        if self._writing or self._has_failed:
            raise StorageError("the step could not be written")

    async def _noted(self, write: Coroutine[Any, Any, T]) -> T:
        """Carry out a write that `written` waits for."""
        writing = asyncio.ensure_future(write)
        self._writing.add(writing)
        writing.add_done_callback(self._ended)
        return await writing

    def _ended(self, writing: asyncio.Future[Any]) -> None:
        self._writing.discard(writing)
        if writing.cancelled() or writing.exception() is not None:
            self._has_failed = True

    async def adelete_thread(self, thread_id: str) -> None:
        """Delete all checkpoints of the thread."""
        await super().adelete_thread(thread_id)
        self._read = self._lease.head = None


def _copy(found: CheckpointTuple) -> CheckpointTuple:
    """Return what LangGraph may change: it applies writes to what it has read."""
    writes = None if found.pending_writes is None else list(found.pending_writes)
    return found._replace(checkpoint=copy_checkpoint(found.checkpoint), pending_writes=writes)
