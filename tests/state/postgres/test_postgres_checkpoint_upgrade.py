"""The tables that LangGraph's own saver made are moved once, as the database is opened."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
from calling import user_says
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from old_checkpoints import config, contents, copy_thread, fill
from postgres_databases import PostgresDatabases

from voicegraph.graph import build_graph, open_resources
from voicegraph.nodes.testing import ScriptedChatModel, calls
from voicegraph.state.database.location import parse_location
from voicegraph.state.errors import StorageError
from voicegraph.state.open import open_checkpointer


@pytest.fixture
def url(postgres: PostgresDatabases) -> Any:
    """A database without tables."""
    with postgres.fresh(migrated=False) as url:
        yield url


@pytest.fixture
async def old(url: str) -> AsyncIterator[dict[str, list[Any]]]:
    """Make the tables with two threads, and return what is in them."""
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE threads AS VALUES ('call-1'), ('call-2')")
        connection.execute("ALTER TABLE threads RENAME column1 TO id")
    async with AsyncPostgresSaver.from_conn_string(url) as saver:
        await saver.setup()
        await fill(saver, "call-1", 5)
        await fill(saver, "call-2", 3)
        yield {thread_id: await contents(saver, thread_id) for thread_id in ("call-1", "call-2")}


def opened(url: str) -> Any:
    return open_checkpointer(parse_location(url))


async def left(url: str) -> int:
    """Return how many bytes LangGraph's tables take, rows included that were deleted."""
    async with await psycopg.AsyncConnection.connect(url) as connection:
        found = await connection.execute(
            "SELECT sum(pg_relation_size(oid)) FROM pg_class "
            "WHERE relname IN ('checkpoints', 'checkpoint_blobs', 'checkpoint_writes')"
        )
        [[size]] = await found.fetchall()
    return int(size)


async def same(url: str, old: dict[str, list[Any]]) -> bool:
    async with opened(url) as saver:
        return all([await contents(saver, thread_id) == before for thread_id, before in old.items()])


async def test_all_that_was_in_the_tables_is_read_as_before(old: dict[str, list[Any]], url: str) -> None:
    assert await same(url, old)
    assert await left(url) == 0
    async with opened(url) as saver:
        newest = await saver.aget_tuple(config("call-1"))
        assert newest.checkpoint == old["call-1"][0].checkpoint


async def test_each_message_is_stored_once(old: dict[str, list[Any]], url: str) -> None:
    async with opened(url) as saver:
        found = await saver.count(["call-1"])
    assert found["thread_pieces"] == 5 + 5 + 1  # Questions, answers, and the prompt.


async def test_processes_that_start_together_move_them_once(old: dict[str, list[Any]], url: str) -> None:
    assert await asyncio.gather(*(same(url, old) for _ in range(4))) == [True] * 4


async def test_what_a_killed_process_has_not_moved_the_next_one_does(
    old: dict[str, list[Any]], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from voicegraph.state.postgres import checkpoint_upgrade

    move = checkpoint_upgrade._move_thread  # pyright: ignore[reportPrivateUsage]

    async def die_at_the_second(connection: Any, thread_id: str, serde: Any) -> None:
        if thread_id == "call-2":
            raise StorageError("killed")
        await move(connection, thread_id, serde)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint_upgrade, "_move_thread", die_at_the_second)
        with pytest.raises(StorageError, match="killed"):
            async with opened(url):
                pass
    assert await left(url) > 0
    assert await same(url, old)
    assert await left(url) == 0


async def test_tables_that_another_application_makes_later_are_left_alone(url: str) -> None:
    async with opened(url):
        pass
    async with AsyncPostgresSaver.from_conn_string(url) as saver:
        await saver.setup()
        await fill(saver, "of-another", 2)
        before = await contents(saver, "of-another")
        async with opened(url) as ours:
            assert await contents(ours, "of-another") == []
        assert await contents(saver, "of-another") == before


async def test_threads_of_another_application_stay_in_the_tables(old: dict[str, list[Any]], url: str) -> None:
    async with AsyncPostgresSaver.from_conn_string(url) as saver:
        await fill(saver, "of-another", 2)
        before = await contents(saver, "of-another")
        assert await same(url, old)
        assert await contents(saver, "of-another") == before
        assert await contents(saver, "call-1") == []
    assert await same(url, old)


async def test_a_conversation_goes_on_after_the_move(url: str) -> None:
    script = ["Hello Ada.", calls("current_time", "One moment."), "It is late.", "You are Ada."]
    model = ScriptedChatModel(script)
    call: Any = {"configurable": {"thread_id": "call-42"}}
    async with open_resources(url, model=model) as resources:
        graph = build_graph(resources)
        await graph.ainvoke(user_says("I'm Ada."), call)
        await graph.ainvoke(user_says("What time is it?"), call)
        # As an older version would have left it.
        async with AsyncPostgresSaver.from_conn_string(url) as saver:
            await saver.setup()
            await copy_thread(resources.checkpointer, saver, "call-42")
    with psycopg.connect(url) as connection:
        connection.execute("DROP TABLE thread_checkpoints, thread_writes, thread_pieces")
    async with open_resources(url, model=model) as resources:
        graph = build_graph(resources)
        before = [state.values.get("messages") async for state in graph.aget_state_history(call)]
        answer = await graph.ainvoke(user_says("Who am I?"), call)
    assert answer["messages"][-1].text == "You are Ada."
    assert len(before) > 1
    sent = " ".join(message.text for message in model.requests[-1].messages)
    assert "I'm Ada." in sent and "It is late." in sent
