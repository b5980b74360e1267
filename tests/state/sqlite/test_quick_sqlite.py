"""Connections to SQLite that change threads once a statement."""

import asyncio
import threading
from pathlib import Path

import pytest

from voicegraph.state.sqlite.quick_connection import QuickConnection, connect


@pytest.fixture
async def connection(tmp_path: Path):
    connection = await connect(str(tmp_path / "v.db"))
    await connection.execute("CREATE TABLE words (said TEXT)")
    yield connection
    await connection.close()


async def said(connection: QuickConnection) -> list[str]:
    return [word for (word,) in await connection.execute_fetchall("SELECT said FROM words")]


async def test_a_transaction_begins_with_its_first_statement(connection: QuickConnection) -> None:
    cursor = await connection.cursor()
    await cursor.execute("BEGIN")
    assert not connection.in_transaction
    await cursor.execute("INSERT INTO words VALUES ('Hi.')")
    assert connection.in_transaction
    await connection.rollback()
    assert await said(connection) == []


async def test_it_begins_with_a_statement_of_many_rows_too(connection: QuickConnection) -> None:
    cursor = await connection.cursor()
    await cursor.execute("BEGIN")
    await cursor.executemany("INSERT INTO words VALUES (?)", [("Hi.",), ("Bye.",)])
    assert connection.in_transaction
    await connection.rollback()
    assert await said(connection) == []


async def test_one_without_a_statement_leaves_nothing_open(connection: QuickConnection) -> None:
    cursor = await connection.cursor()
    await cursor.execute("BEGIN")
    await connection.commit()
    await cursor.execute("INSERT INTO words VALUES ('Hi.')")
    assert not connection.in_transaction


async def test_a_rollback_waits_for_a_statement_that_was_left(connection: QuickConnection) -> None:
    gate = threading.Event()
    held = asyncio.create_task(connection.run(lambda _: gate.wait()))
    cursor = await connection.cursor()
    await cursor.execute("BEGIN")

    async def insert() -> None:
        await cursor.execute("INSERT INTO words VALUES ('Hi.')")

    left = asyncio.create_task(insert())
    await asyncio.sleep(0)
    left.cancel()
    await asyncio.wait({left})
    rolling_back = asyncio.create_task(connection.rollback())
    await asyncio.sleep(0)
    gate.set()
    await held
    await rolling_back
    assert not connection.in_transaction
    assert await said(connection) == []


async def test_a_cursor_knows_its_columns_and_what_it_wrote(connection: QuickConnection) -> None:
    cursor = await connection.cursor()
    await cursor.execute("INSERT INTO words VALUES ('Hi.')")
    assert (cursor.rowcount, cursor.lastrowid, cursor.description) == (1, 1, None)
    await cursor.execute("SELECT said FROM words")
    assert [column[0] for column in cursor.description] == ["said"]
    assert await cursor.fetchall() == [("Hi.",)]
