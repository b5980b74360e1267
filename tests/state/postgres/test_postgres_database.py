"""A PostgreSQL database: a server that goes and comes back, an empty pool, errors that say what to do."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from ada import ADA
from ada_at_home import Home, Say
from postgres_databases import PostgresDatabases
from postgres_server import PostgresServer
from sqlalchemy import text
from sqlalchemy.orm import Session
from sqlalchemy.util import await_only

from voicegraph.state.agents.actors import Actor
from voicegraph.state.agents.thread_keys import thread_name
from voicegraph.state.database.location import parse_location
from voicegraph.state.errors import DatabaseBusy, StorageError
from voicegraph.state.open import open_database
from voicegraph.state.postgres.database import PostgresDatabase
from voicegraph.state.store import Store, open_store


@pytest.fixture
def store_url(postgres_url: str) -> str:
    return postgres_url


@pytest.fixture
async def own_store(own_server: PostgresServer) -> AsyncIterator[Store]:
    store = await open_store(own_server.url())
    yield store
    await store.close()


async def test_a_server_that_is_away_is_a_retryable_error_until_it_is_back(
    own_server: PostgresServer, own_store: Store
) -> None:
    agent = await own_store.agents.create(ADA, "away")
    own_server.stop()
    with pytest.raises(StorageError, match="check that PostgreSQL is running and reachable") as caught:
        await own_store.agents.list(ADA)
    assert caught.value.retryable
    assert "\n" not in str(caught.value)
    own_server.start()
    assert agent in await own_store.agents.list(ADA)


async def test_nobody_notices_a_server_that_was_restarted_between_two_calls(
    own_server: PostgresServer, own_store: Store
) -> None:
    await own_store.agents.ensure_default(ADA)
    own_server.stop()
    own_server.start()
    assert (await own_store.agents.ensure_default(ADA)).name == "default"


async def test_a_server_that_dies_within_a_transaction_undoes_it(
    own_server: PostgresServer, own_store: Store
) -> None:
    await own_store.agents.ensure_default(ADA)

    def change(session: Session) -> None:
        session.execute(text("UPDATE agents SET system = 'changed'"))
        own_server.kill()
        session.execute(text("SELECT 1"))

    with pytest.raises(StorageError) as caught:
        await own_store.database.write(change)
    assert caught.value.retryable
    own_server.start()
    assert "changed" not in {agent.system for agent in await own_store.agents.list(ADA)}


@pytest.fixture
async def narrow(postgres_url: str) -> AsyncIterator[PostgresDatabase]:
    """A database with one connection, for which nobody waits long."""
    database = PostgresDatabase(postgres_url, parse_location(postgres_url), 1, wait=0.05)
    yield database
    await database.close()


async def test_whoever_gets_no_connection_in_time_is_told_that_the_database_is_busy(
    narrow: PostgresDatabase,
) -> None:
    def select(session: Session) -> int:
        return session.execute(text("SELECT 1")).scalar_one()

    def wait_in_vain(session: Session) -> None:
        select(session)
        await_only(narrow.read(select))

    with pytest.raises(DatabaseBusy, match="all connections are in use; try again") as caught:
        await narrow.read(wait_in_vain)
    assert (caught.value.retryable, caught.value.retry_after) == (True, 1.0)
    assert await narrow.read(select) == 1


async def test_a_process_has_no_more_connections_than_it_was_told(postgres_url: str) -> None:
    store = await open_store(postgres_url, connections=3)
    await asyncio.gather(*(store.agents.ensure_default(ADA) for _ in range(20)))
    open_now = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
    assert await store.database.read(lambda session: session.execute(open_now).scalar_one()) <= 3
    await store.close()


async def test_what_reads_cannot_write_and_sees_one_state(store: Store) -> None:
    count = text("SELECT count(*) FROM agents")

    def count_twice(session: Session) -> tuple[object, object]:
        before = session.scalar(count)
        await_only(store.agents.create(ADA, "nina"))
        return before, session.scalar(count)

    before, after = await store.database.read(count_twice)
    assert before == after
    with pytest.raises(StorageError, match="read-only"):
        await store.database.read(lambda session: session.execute(text("DELETE FROM agents")))


async def test_a_database_that_is_not_there_is_told_how_to_make_one(postgres: PostgresDatabases) -> None:
    with postgres.fresh(migrated=False) as url:
        missing = f"{url}_of_somebody"
    with pytest.raises(StorageError, match="does not exist; create it first: createdb") as caught:
        await open_database(missing)
    assert not caught.value.retryable


async def test_a_server_that_nobody_runs_is_an_error_without_the_password() -> None:
    with pytest.raises(StorageError) as caught:
        await open_database("postgresql://ada:hunter2@127.0.0.1:1/voice")
    assert caught.value.retryable
    assert "hunter2" not in str(caught.value)


async def test_an_error_in_the_data_does_not_show_the_data(store: Store) -> None:
    with pytest.raises(StorageError) as caught:
        query = text("SELECT CAST(:words AS integer)")
        await store.database.write(lambda session: session.execute(query, {"words": "a secret"}))
    assert "secret" not in str(caught.value)


async def test_a_missing_table_is_told_how_to_get_it(store: Store) -> None:
    with pytest.raises(StorageError, match="voicegraph db upgrade"):
        await store.database.read(lambda session: session.execute(text("SELECT 1 FROM nowhere")))


async def test_ids_are_ordered_by_their_characters_as_on_sqlite(store: Store) -> None:
    agent = await store.agents.create(ADA, "nina")
    names = ["b", "B", "a", "A", "é", "_", "1", "Z z"]
    for name in names:
        await store.threads.claim(ADA, agent.id, name)
    query = text("SELECT id FROM threads ORDER BY id")
    ordered = await store.database.read(lambda session: session.scalars(query).all())
    assert [thread_name(key) for key in ordered] == sorted(names)


async def test_what_is_no_number_in_json_becomes_null(home: Home, say: Say) -> None:
    calls = [{"id": "c1", "args": {"ratio": float("nan"), "half": "\ud83d", "many": [float("inf"), 1.5]}}]
    await home.store.messages.save(ADA, home.agent.id, "call-1", [say("m1", tool_calls=calls)])
    (stored,) = await home.store.messages.history(ADA, "call-1")
    assert stored.tool_calls == [{"id": "c1", "args": {"ratio": None, "half": "\ufffd", "many": [None, 1.5]}}]


async def test_messages_of_ten_megabytes_are_stored_and_searched(home: Home, say: Say) -> None:
    words = "Wolfgang " + "".join(f"word{number} " for number in range(1_000_000))
    await home.store.messages.save(ADA, home.agent.id, "call-1", [say("m1", words), say("m2", "Yes.")])
    await home.store.recall.index_due()
    page = await home.store.recall.search(ADA, home.agent.id, "wolfgang")
    assert [len(hit.message.text) for hit in page.hits] == [len(words), 4]


async def test_two_processes_that_meet_a_new_user_at_once_both_succeed(postgres_url: str) -> None:
    stores = [await open_store(postgres_url) for _ in range(2)]
    await asyncio.gather(
        *(store.actors.ensure(Actor("new", f"{n % 3}")) for n, store in enumerate(stores * 6))
    )
    await asyncio.gather(
        *(store.agents.create(Actor("newer", "ada"), f"agent {n}") for n, store in enumerate(stores * 6))
    )
    assert len(await stores[0].agents.list(Actor("newer", "ada"))) == 12
    for store in stores:
        await store.close()
