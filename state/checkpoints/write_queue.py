"""Batch writes: consecutive ones of a turn, and those of other turns, are committed together.

LangGraph writes a checkpoint and its results for each step, in tasks that it does not wait for. A turn waits
for them only where it must: before its first word, before a tool with side effects runs, and before it is
stored. They are encoded just before they are written: the request to the model goes first.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from ..agents.thread_keys import thread_name
from ..errors import StorageError

log = logging.getLogger(__name__)

GATHER_SECONDS = 0.05
"""Maximum seconds that a write waits for others to join it while nobody waits for it."""

_PAUSE_AFTER = 0.005
"""Seconds of encoding."""

Batch = dict[str, list[Any]]
"""Writes by thread."""
Encoding = Callable[[], Sequence[Any]]
"""A function that returns encoded writes."""


class WriteQueue:
    """Passes the writes of all threads to `commit`, one batch at a time, each in one transaction."""

    def __init__(self, commit: Callable[[Batch], Awaitable[None]]) -> None:
        self._commit = commit
        self._waiting: dict[str, list[Encoding]] = {}
        self._encoded: Batch = {}
        self._running: Batch = {}
        self._hurry = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._batch_ended = asyncio.Event()
        self._failed: dict[str, StorageError] = {}

    def add(self, thread_id: str, encoding: Encoding) -> None:
        """Append writes to the waiting batch; `encoding` is called before it is committed."""
        self._waiting.setdefault(thread_id, []).append(encoding)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())

    async def until_written(self, thread_id: str) -> None:
        """Wait until the thread has no waiting writes. Raises the `StorageError` of a failed write."""
        while any(thread_id in writes for writes in (self._waiting, self._encoded, self._running)):
            self._hurry.set()
            self._batch_ended.clear()
            await self._batch_ended.wait()
        if thread_id in self._failed:
            raise self._failed[thread_id]

    def encode(self, thread_id: str) -> None:
        """Encode the waiting writes of a thread now. A write that cannot be encoded fails like a lost one."""
        encodings = self._waiting.pop(thread_id, None)
        if encodings is None:
            return
        try:
            writes = [write for encoding in encodings for write in encoding()]
        except Exception as error:
            place = {"thread_id": thread_name(thread_id), "error": type(error).__name__}
            log.error("a checkpoint could not be encoded", extra=place)
            log.debug("why a checkpoint could not be encoded", exc_info=error)
            self._failed[thread_id] = _not_written(error)
        else:
            self._encoded.setdefault(thread_id, []).extend(writes)

    async def settle(self, thread_id: str | None = None) -> None:
        """Wait until the writes queued now, of a thread or of all, are written or have failed."""
        for each in [thread_id] if thread_id else {*self._running, *self._encoded, *self._waiting}:
            with suppress(StorageError):
                await self.until_written(each)

    def has_failed(self, thread_id: str) -> bool:
        """Return whether a write of the thread has failed since `forgive`."""
        return thread_id in self._failed

    def forgive(self, thread_id: str) -> None:
        """Forget failed writes of the thread when a new turn begins."""
        self._failed.pop(thread_id, None)

    async def close(self) -> None:
        """Write everything that waits."""
        self._hurry.set()
        if self._writer is not None:
            await asyncio.wait({self._writer})

    def _fail(self, error: StorageError) -> None:
        """Record the failure for each thread of the batch, and drop later writes that depend on it."""
        for thread_id in self._running:
            self._failed[thread_id] = error
            self._waiting.pop(thread_id, None)
            self._encoded.pop(thread_id, None)

    async def _encode_all(self) -> None:
        """Encode all waiting writes, with pauses for other tasks."""
        began = time.perf_counter()
        for thread_id in list(self._waiting):
            self.encode(thread_id)
            if time.perf_counter() - began > _PAUSE_AFTER:
                await asyncio.sleep(0)
                began = time.perf_counter()

    async def _write(self) -> None:
        while self._waiting or self._encoded:
            with suppress(TimeoutError):
                async with asyncio.timeout(GATHER_SECONDS):
                    await self._hurry.wait()
            self._hurry.clear()
            try:
                await self._encode_all()
                self._running, self._encoded = self._encoded, {}
                if self._running:
                    await self._commit(self._running)
            except StorageError as error:
                self._fail(error)
            except Exception as error:  # Those that wait for the writes must not wait for ever.
                log.exception("checkpoints could not be written")
                self._fail(_not_written(error))
            finally:
                self._running = {}
                self._batch_ended.set()


def _not_written(error: Exception) -> StorageError:
    failed = StorageError(f"the step could not be written: {type(error).__name__}")
    failed.__cause__ = error
    return failed
