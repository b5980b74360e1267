"""A connection to an SQLite file: each call runs in its thread as a whole."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from voicegraph.state.sqlite.file_connection import FileConnection


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncIterator[FileConnection]:
    connection = FileConnection(str(tmp_path / "v.db"))
    await connection.execute("CREATE TABLE words (said TEXT UNIQUE)")
    yield connection
    await connection.close()


async def said(connection: FileConnection) -> list[str]:
    return [word for (word,) in await connection.execute("SELECT said FROM words")]


def say_twice(connection: sqlite3.Connection) -> None:
    for _ in range(2):
        connection.execute("INSERT INTO words VALUES ('Hi.')")


async def test_a_write_that_fails_is_undone_and_the_next_one_is_made(connection: FileConnection) -> None:
    failures: list[sqlite3.Error] = []
    connection.failed = failures.append
    with pytest.raises(sqlite3.IntegrityError) as caught:
        await connection.write(say_twice)
    assert failures == [caught.value]
    await connection.write(lambda open_: open_.execute("INSERT INTO words VALUES ('Bye.')"))
    assert await said(connection) == ["Bye."]


async def test_a_write_that_is_cancelled_is_made_and_ends_before_the_cancellation(
    connection: FileConnection,
) -> None:
    running, gate, loop = asyncio.Event(), threading.Event(), asyncio.get_running_loop()

    def wait_and_say(open_: sqlite3.Connection) -> None:
        loop.call_soon_threadsafe(running.set)
        gate.wait(20)
        open_.execute("INSERT INTO words VALUES ('Hi.')")

    task = asyncio.create_task(connection.write(wait_and_say))
    await running.wait()
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await said(connection) == ["Hi."]


async def test_a_write_whose_commit_fails_leaves_no_transaction_open(connection: FileConnection) -> None:
    await connection.execute("PRAGMA foreign_keys=ON")
    await connection.execute(
        "CREATE TABLE replies (word TEXT REFERENCES words (said) DEFERRABLE INITIALLY DEFERRED)"
    )
    with pytest.raises(sqlite3.IntegrityError):
        await connection.write(lambda open_: open_.execute("INSERT INTO replies VALUES ('Nobody.')"))
    assert not await connection.run(lambda open_: open_.in_transaction)


async def test_a_closed_connection_leaves_no_thread(connection: FileConnection) -> None:
    await connection.close()
    await connection.close()
    assert not [each for each in threading.enumerate() if each.name.startswith("voicegraph-checkpoints")]
