"""Locks and cancellation: nobody waits for ever, nothing is left half-written or locked."""

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from ada import ADA
from ada_at_home import Say
from sqlalchemy import event

from voicegraph.state.errors import StorageError
from voicegraph.state.sqlite.database import SqliteDatabase
from voicegraph.state.store import Store, open_store


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def other(store: Store, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Another program's connection to the store's file."""
    connection = sqlite3.connect(tmp_path / "voice.db", isolation_level=None)
    yield connection
    connection.close()


async def never_wait(store: Store) -> None:
    """Give the store connections that do not wait for locks."""
    engine = cast(SqliteDatabase, store.database).engine
    engine.dispose()

    def set_timeout(connection: Any, entry: object) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA busy_timeout=0")
        cursor.close()

    event.listen(engine, "connect", set_timeout)


async def test_a_write_waits_for_another_programs_transaction(
    store: Store, other: sqlite3.Connection
) -> None:
    other.execute("BEGIN IMMEDIATE")
    task = asyncio.create_task(store.agents.create(ADA, "nina"))
    for _ in range(1000):
        await asyncio.sleep(0)
    assert not task.done()
    other.execute("COMMIT")
    assert (await task).name == "nina"


async def test_reads_do_not_wait_for_another_programs_transaction(
    store: Store, other: sqlite3.Connection
) -> None:
    await never_wait(store)
    other.execute("BEGIN IMMEDIATE")
    assert await store.agents.list(ADA) == ()
    other.execute("ROLLBACK")


async def test_a_database_that_stays_locked_is_a_retryable_error(
    store: Store, other: sqlite3.Connection
) -> None:
    await never_wait(store)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError, match="another process is writing to it: try again") as caught:
        await store.agents.create(ADA, "nina")
    assert caught.value.retryable
    other.execute("ROLLBACK")
    await store.agents.create(ADA, "nina")


async def cancel_after(work: Any, steps: int) -> None:
    task = asyncio.create_task(work)
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("in_memory", [False, True], ids=["in a file", "in memory"])
async def test_a_save_that_is_cancelled_at_any_point_is_whole_or_not_there(
    url: str, say: Say, in_memory: bool
) -> None:
    store = await open_store("sqlite://" if in_memory else url)
    agent = await store.agents.create(ADA, "nina")
    await store.threads.claim(ADA, agent.id, "call-1")
    await never_wait(store)
    for steps in range(100):
        names = {f"a{steps}", f"b{steps}"}
        save = store.messages.save(ADA, agent.id, "call-1", [say(name) for name in names])
        await cancel_after(save, steps)
        stored = {message.id for message in await store.messages.history(ADA, "call-1")}
        assert stored & names in (set(), names)
    await store.close()


async def test_a_task_that_is_cancelled_twice_still_waits_for_its_write(store: Store) -> None:
    task = asyncio.create_task(store.agents.create(ADA, "nina"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [agent.name for agent in await store.agents.list(ADA)] == ["nina"]


async def test_a_time_out_around_a_write_is_a_time_out(store: Store, other: sqlite3.Connection) -> None:
    await never_wait(store)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await store.agents.create(ADA, "nina")
    other.execute("ROLLBACK")
