"""Failures of a database are noted, and a trial write finds out whether they have passed."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, LiteralString, cast

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from voicegraph.state.database.database import Database
from voicegraph.state.errors import StorageError
from voicegraph.state.open import open_checkpointer, open_database


@pytest.fixture
async def database(store_url: str) -> AsyncIterator[Database]:
    database = await open_database(store_url)
    yield database
    await database.close()


async def run(database: Database, sql: str) -> Any:
    return await database.read(lambda session: session.connection().exec_driver_sql(sql).all())


async def test_a_trial_write_leaves_nothing(database: Database) -> None:
    await asyncio.gather(*(database.try_write() for _ in range(3)))
    assert await run(database, "SELECT id FROM organizations") == []
    assert database.health.error is None


async def test_a_failure_is_noted_until_it_has_passed_and_watchers_hear_of_it(database: Database) -> None:
    noted: list[StorageError] = []
    database.health.watch(noted.append)
    with pytest.raises(StorageError):
        await run(database, "SELECT * FROM missing")
    assert noted == [database.health.error]
    assert noted[0].public == "the tables of the database are not up to date"
    database.health.recovered()
    assert database.health.error is None


async def test_a_value_that_the_database_does_not_take_is_no_failure_of_it(postgres_url: str) -> None:
    database = await open_database(postgres_url)
    with pytest.raises(StorageError):
        await run(database, "SELECT 'one'::int")
    assert database.health.error is None
    async with open_checkpointer(database.location, health=database.health) as saver:
        odd: Any = {"configurable": {"thread_id": "a\0b", "checkpoint_ns": ""}}
        with pytest.raises(StorageError):
            await saver.aget_tuple(odd)
    assert database.health.error is None
    await database.close()


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("temp_file_limit TO '0'", "the database failed"),
        ("default_transaction_read_only TO on", "the database is read-only"),
    ],
    ids=["no space for files", "read only"],
)
async def test_a_trial_fails_where_postgresql_cannot_write(
    postgres_url: str, setting: LiteralString, reason: str
) -> None:
    base, name = postgres_url.rsplit("/", 1)
    with psycopg.connect(f"{base}/postgres", autocommit=True) as connection:
        connection.execute(SQL("ALTER DATABASE {} SET " + setting).format(Identifier(name)))
    database = await open_database(postgres_url)
    with pytest.raises(StorageError):
        await database.try_write()
    assert database.health.error is not None
    assert database.health.error.public == reason
    await database.close()


async def test_a_trial_fails_where_checkpoints_cannot_be_written(sqlite_url: str) -> None:
    database = await open_database(sqlite_url)
    async with open_checkpointer(database.location, health=database.health) as saver:
        connection = cast(Any, saver).connection
        await saver.try_write()
        await connection.execute("PRAGMA max_page_count=1")
        with pytest.raises(StorageError, match="free some space"):
            await saver.try_write()
        assert database.health.error is not None
        assert database.health.error.public == "the disk is full"
        await connection.execute("PRAGMA max_page_count=1000000")
        await saver.try_write()
        assert await connection.execute("SELECT thread_id FROM checkpoints") == []
        assert await connection.execute("PRAGMA cache_size") == [(-2000,)]
    await database.close()
