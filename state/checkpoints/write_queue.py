"""Writes that are committed together: those of one turn that follow each other, and those of other turns.

LangGraph writes a checkpoint and its results for each step, in tasks of their own that it does not wait for.
A turn waits for them where it must: before a tool with side effects runs, and before it is stored.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from ..errors import StorageError

GATHER_SECONDS = 0.01
"""How long a write that nobody waits for may wait for others to join it."""

Batch = dict[str, list[Any]]
"""Writes by the thread that they are for."""


class WriteQueue:
    """Gives the writes of all threads to `commit`, one batch at a time, each in one transaction."""

    def __init__(self, commit: Callable[[Batch], Awaitable[None]]) -> None:
        self._commit = commit
        self._waiting: Batch = {}
        self._running: Batch = {}
        self._hurry = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._batch_ended = asyncio.Event()
        self._failed: dict[str, StorageError] = {}

    def add(self, thread_id: str, writes: Sequence[Any]) -> None:
        """Let writes be made with those that wait already, in their order."""
        self._waiting.setdefault(thread_id, []).extend(writes)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())

    async def until_written(self, thread_id: str) -> None:
        """Wait until nothing of the thread waits. Raises the `StorageError` of a write that has failed."""
        while thread_id in self._waiting or thread_id in self._running:
            self._hurry.set()
            self._batch_ended.clear()
            await self._batch_ended.wait()
        if thread_id in self._failed:
            raise self._failed[thread_id]

    async def settle(self, thread_id: str | None = None) -> None:
        """Wait until what waits now, of a thread or of any, is written or has failed: reading sees it."""
        for each in [thread_id] if thread_id else [*self._running, *self._waiting]:
            with suppress(StorageError):
                await self.until_written(each)

    def has_failed(self, thread_id: str) -> bool:
        """Return whether a write of the thread has failed since `forgive`."""
        return thread_id in self._failed

    def forgive(self, thread_id: str) -> None:
        """Forget that writes of the thread have failed: a new turn begins."""
        self._failed.pop(thread_id, None)

    async def close(self) -> None:
        """Write all that waits."""
        self._hurry.set()
        if self._writer is not None:
            await asyncio.wait({self._writer})

    def _fail(self, error: StorageError) -> None:
        """Note the failure for each thread of the batch, and drop what builds on what is lost."""
        for thread_id in self._running:
            self._failed[thread_id] = error
            self._waiting.pop(thread_id, None)

    async def _write(self) -> None:
        while self._waiting:
            with suppress(TimeoutError):
                async with asyncio.timeout(GATHER_SECONDS):
                    await self._hurry.wait()
            self._hurry.clear()
            self._running, self._waiting = self._waiting, {}
            try:
                await self._commit(self._running)
            except StorageError as error:
                self._fail(error)
            finally:
                self._running = {}
                self._batch_ended.set()
