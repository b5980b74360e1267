"""Writes are batched in order, and a caller can wait for those of its thread."""

import asyncio
from typing import Any

import pytest

from voicegraph.state.checkpoints.write_queue import Batch, WriteQueue
from voicegraph.state.errors import StorageError


class Disk:
    """Takes batches, one at a time, as a test lets it."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.free = asyncio.Event()
        self.free.set()
        self.error: StorageError | None = None
        self.queue = WriteQueue(self.commit)

    async def commit(self, batch: Batch) -> None:
        await self.free.wait()
        if self.error is not None:
            raise self.error
        self.batches.append({thread_id: list(writes) for thread_id, writes in batch.items()})


@pytest.fixture
async def disk() -> Disk:
    return Disk()


async def waits(disk: Disk, thread_id: str) -> asyncio.Task[None]:
    waiting = asyncio.create_task(disk.queue.until_written(thread_id))
    await asyncio.sleep(0)
    return waiting


async def test_writes_that_come_together_are_one_batch_in_their_order(disk: Disk) -> None:
    disk.queue.add("call-1", lambda: ["one"])
    disk.queue.add("call-2", lambda: ["other"])
    disk.queue.add("call-1", lambda: ["two", "three"])
    await disk.queue.until_written("call-1")
    assert disk.batches == [{"call-1": ["one", "two", "three"], "call-2": ["other"]}]


async def test_what_comes_while_a_batch_is_written_is_the_next_one(disk: Disk) -> None:
    disk.free.clear()
    disk.queue.add("call-1", lambda: ["one"])
    first = await waits(disk, "call-1")
    while "call-1" in disk.queue._waiting:
        await asyncio.sleep(0)
    disk.queue.add("call-1", lambda: ["two"])
    disk.free.set()
    await first
    assert disk.batches == [{"call-1": ["one"]}, {"call-1": ["two"]}]


async def test_nobody_waits_for_a_thread_without_writes(disk: Disk) -> None:
    disk.free.clear()
    disk.queue.add("call-1", lambda: ["one"])
    await disk.queue.until_written("call-2")


async def test_a_failure_is_of_the_threads_in_the_batch_until_a_new_turn(disk: Disk) -> None:
    disk.error = StorageError("the disk is full")
    disk.queue.add("call-1", lambda: ["one"])
    with pytest.raises(StorageError, match="full"):
        await disk.queue.until_written("call-1")
    assert (disk.queue.has_failed("call-1"), disk.queue.has_failed("call-2")) == (True, False)
    disk.error = None
    disk.queue.forgive("call-1")
    disk.queue.add("call-1", lambda: ["two"])
    await disk.queue.until_written("call-1")
    assert disk.batches == [{"call-1": ["two"]}]


async def test_what_builds_on_a_lost_write_is_lost_with_it(disk: Disk) -> None:
    disk.error = StorageError("the disk is full")
    disk.free.clear()
    disk.queue.add("call-1", lambda: ["one"])
    first: Any = await waits(disk, "call-1")
    while "call-1" in disk.queue._waiting:
        await asyncio.sleep(0)
    disk.queue.add("call-1", lambda: ["refers to one"])
    disk.queue.add("call-2", lambda: ["other"])
    disk.free.set()
    with pytest.raises(StorageError):
        await first
    disk.error = None
    await disk.queue.settle()
    assert disk.batches == [{"call-2": ["other"]}]


async def test_writes_are_encoded_only_when_they_are_committed_or_somebody_waits(disk: Disk) -> None:
    encoded: list[str] = []

    def encode() -> list[str]:
        encoded.append("one")
        return ["one"]

    disk.queue.add("call-1", encode)
    for _ in range(5):
        await asyncio.sleep(0)
    assert encoded == []
    await disk.queue.until_written("call-1")
    assert encoded == ["one"]


async def test_a_write_that_cannot_be_encoded_fails_alone(disk: Disk) -> None:
    def encode() -> list[str]:
        raise TypeError("not serializable")

    disk.queue.add("call-1", encode)
    disk.queue.add("call-1", lambda: ["refers to it"])
    disk.queue.add("call-2", lambda: ["other"])
    with pytest.raises(StorageError, match="could not be written: TypeError"):
        await disk.queue.until_written("call-1")
    await disk.queue.until_written("call-2")
    assert disk.batches == [{"call-2": ["other"]}]


async def test_closing_writes_what_waits(disk: Disk) -> None:
    disk.queue.add("call-1", lambda: ["one"])
    await disk.queue.close()
    assert disk.batches == [{"call-1": ["one"]}]
