"""Migrations on PostgreSQL: from nothing, from an old database, whoever starts first."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from ada import ADA
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from postgres_databases import PostgresDatabases
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from voicegraph.state.database.location import parse_location
from voicegraph.state.errors import StorageError
from voicegraph.state.migrations.upgrade import HEAD, alembic_config, upgrade
from voicegraph.state.open import open_database
from voicegraph.state.store import open_store
from voicegraph.state.tables.tables import Base

WHEN = "2026-01-02 03:04:05+00"
DATA = f"""
INSERT INTO organizations VALUES ('acme', '{WHEN}');
INSERT INTO users VALUES ('acme', 'ada', '{WHEN}');
INSERT INTO agents (number, id, name, model_settings, tools, time_zone, version, created_at, updated_at,
    organization_id, user_id)
    VALUES (7, 'agent-7', 'nina', '{{}}', '[]', 'UTC', 1, '{WHEN}', '{WHEN}', 'acme', 'ada');
INSERT INTO threads VALUES ('call-1', 'agent-7', '{WHEN}', '{WHEN}', 'acme', 'ada');
INSERT INTO messages (number, id, thread_id, agent_id, turn_id, role, text, created_at)
    VALUES ((7::bigint << 32) + 1, 'm1', 'call-1', 'agent-7', 't1', 'user', 'My dog is old.', '{WHEN}');
INSERT INTO passages (number, id, agent_id, text, tags, created_at)
    VALUES ((7::bigint << 32) + 1, 'passage-1', 'agent-7', 'Likes tea.', '["taste"]', '{WHEN}');
"""


@pytest.fixture
def empty_url(postgres: PostgresDatabases) -> Iterator[str]:
    """The URL of a database without a table."""
    with postgres.fresh(migrated=False) as url:
        yield url


def run(url: str, statements: str, revision: str) -> None:
    """Bring a database to a revision and run statements there."""
    location = parse_location(url)
    engine = create_engine(location.engine_url, poolclass=NullPool)
    with engine.begin() as connection:
        config = alembic_config(connection, location)
        command.upgrade(config, revision)
        for statement in filter(str.strip, statements.split(";\n")):
            connection.exec_driver_sql(statement.replace("%", "%%"))


async def test_an_empty_database_gets_all_tables_once(empty_url: str) -> None:
    database = await open_database(empty_url, migrate=False)
    assert await upgrade(database.location) == (None, HEAD)
    assert await upgrade(database.location) == (HEAD, HEAD)
    await database.close()


async def test_the_migrations_make_the_tables_that_the_models_describe(postgres_url: str) -> None:
    def ours(thing: Any, name: str | None, kind: str, reflected: bool, compared: Any) -> bool:
        return kind != "table" or name in Base.metadata.tables

    engine = create_engine(parse_location(postgres_url).engine_url, poolclass=NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": ours})
        assert compare_metadata(context, Base.metadata) == []


@pytest.mark.parametrize("revision", ["0001", "0002", "0003"])
async def test_what_an_older_version_stored_is_there_and_can_be_searched(
    empty_url: str, revision: str
) -> None:
    run(empty_url, DATA, revision)
    store = await open_store(empty_url)
    assert [message.text for message in await store.messages.history(ADA, "call-1")] == ["My dog is old."]
    assert await store.recall.index_due() == 2
    assert len((await store.recall.search(ADA, "agent-7", "dogs")).hits) == 1
    assert len((await store.passages.search(ADA, "agent-7", "taste")).hits) == 1
    await store.close()


async def test_a_database_of_a_newer_version_is_refused(postgres_url: str) -> None:
    run(postgres_url, "UPDATE alembic_version SET version_num = '9999'", "head")
    with pytest.raises(StorageError, match="newer version of voicegraph"):
        await open_database(postgres_url)


async def test_many_that_open_one_empty_database_at_once_all_succeed(empty_url: str) -> None:
    databases = await asyncio.gather(*(open_database(empty_url) for _ in range(6)))
    for database in databases:
        query = text("SELECT count(*) FROM agents")
        assert await database.read(lambda session, query=query: session.scalar(query)) == 0
        await database.close()


async def test_all_texts_of_the_tables_are_ordered_by_the_same_rules(postgres_url: str) -> None:
    database = await open_database(postgres_url)
    query = text(
        "SELECT table_name, column_name, collation_name FROM information_schema.columns "
        "WHERE table_schema = 'public' AND data_type = 'text'"
    )
    rows = await database.read(lambda session: session.execute(query).all())
    rules = {(row[0], row[2]) for row in rows if row[0] in Base.metadata.tables}
    await database.close()
    assert {rule for _, rule in rules} == {"C"}
