"""`voicegraph db copy`: everything moves, a copy that was stopped goes on, nothing is mixed."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from calling import user_says
from embedding_fake import FakeEmbedder
from langchain_core.runnables import RunnableConfig

from voicegraph.graph import build_graph, open_resources
from voicegraph.nodes.testing import ScriptedChatModel, calls
from voicegraph.state import Actor, open_store
from voicegraph.state.errors import StorageError
from voicegraph.state.upkeep.copying import copy_rows
from voicegraph.state.upkeep.copying.copy_database import compare_tables, open_source

Run = Callable[..., Any]
ME = Actor()
CALL: RunnableConfig = {"configurable": {"thread_id": "call-1"}}


async def talk(url: str, *words: str) -> str:
    """Say something on one thread, with a tool, and return the last reply."""
    model = ScriptedChatModel(
        [reply for said in words for reply in (calls("current_time", "One moment."), f"You said {said}.")]
    )
    async with open_resources(url, model=model) as resources:
        graph = build_graph(resources)
        for said in words:
            state = await graph.ainvoke(user_says(said), CALL)
        return str(state["messages"][-1].text)


async def live(url: str) -> None:
    """Fill a database with all that it can hold."""
    store = await open_store(url)
    gone = await store.agents.create(ME, "gone")
    nina = await store.agents.create(ME, "nina", model_settings={"temperature": 0.5}, tools=["a.b:c"])
    await store.agents.create(ME, "last")
    await store.agents.delete(ME, "last")
    await store.agents.delete(ME, gone.id)
    await store.keys.create(Actor("acme", "ada"), "phone")
    block = await store.blocks.by_label(ME, nina.id, "human")
    await store.blocks.write(ME, block.id, "אדה 👩‍👧")
    await store.blocks.undo(ME, block.id)
    await store.passages.insert(ME, nina.id, "She likes t\0ea.", tags=["taste", "\ud83d"])
    await store.threads.claim(ME, nina.id, "call-0")
    await store.tool_runs.begin(ME, "call-0", "m1", "c1", "clock")
    await store.close()
    await talk(url, "My dog is called Wolfgang.", "And \0 he barks.")


@pytest.fixture
def source(folder: Path) -> str:
    """The URL of a database in which a user has lived."""
    url = f"sqlite:///{folder}/voice.db"
    asyncio.run(live(url))
    return url


async def difference(source: str, target: str) -> list[str]:
    one, other = await open_source(source), await open_source(target)
    try:
        return [each.table for each in await compare_tables(one, other) if not each.same]
    finally:
        await one.close()
        await other.close()


def test_everything_is_there_on_postgresql_and_the_conversation_goes_on(
    run: Run, source: str, postgres_url: str
) -> None:
    ran = run("db", "copy", source, postgres_url)
    assert (ran.code, "differs" in ran.out) == (0, False)
    assert "messages\t8\t8\tsame" in ran.out
    assert asyncio.run(difference(source, postgres_url)) == []
    assert asyncio.run(talk(postgres_url, "Who am I?")) == "You said Who am I?."
    found = run("memory", "search", "dog barking", "--db", postgres_url)
    assert "Wolfgang" in found.out


def test_what_was_in_the_window_is_in_it_again(run: Run, source: str, postgres_url: str) -> None:
    run("db", "copy", source, postgres_url)

    async def window(url: str) -> list[Any]:
        async with open_resources(url, model=ScriptedChatModel([])) as resources:
            state = await build_graph(resources).aget_state(CALL)
            return [(message.id, message.text) for message in state.values["messages"]]

    assert asyncio.run(window(postgres_url)) == asyncio.run(window(source)) != []


def test_threads_of_one_id_stay_with_their_users(run: Run, source: str, postgres_url: str) -> None:
    owners = [{"organization": "acme"}, {"organization": "acme", "user": "ada"}, {"user": "eve"}]
    calls: list[Any] = [{"configurable": {"thread_id": "call-1", **owner}} for owner in owners]
    words = [f"I am {owner}." for owner in owners]

    async def talk(url: str) -> list[list[str]]:
        model, said = ScriptedChatModel(lambda _: "Yes."), list[list[str]]()
        async with open_resources(url, model=model) as resources:
            graph = build_graph(resources)
            for each, call in zip(words, calls, strict=True):
                state = await graph.ainvoke(user_says(each), call)
                said.append([message.text for message in state["messages"]])
        return said

    asyncio.run(talk(source))
    ran = run("db", "copy", source, postgres_url)
    assert (ran.code, "differs" in ran.out) == (0, False)
    assert asyncio.run(talk(postgres_url)) == [[each, "Yes.", each, "Yes."] for each in words]


def test_a_new_agent_gets_a_number_that_no_agent_had(run: Run, source: str, postgres_url: str) -> None:
    run("db", "copy", source, postgres_url)

    async def number(url: str) -> int:
        store = await open_store(url)
        try:
            return (await store.agents.create(ME, "new")).number
        finally:
            await store.close()

    assert asyncio.run(number(postgres_url)) == asyncio.run(number(source))


def test_a_second_copy_takes_along_what_is_new_and_what_changed(
    run: Run, source: str, postgres_url: str
) -> None:
    run("db", "copy", source, postgres_url)
    asyncio.run(talk(source, "One more thing."))
    assert asyncio.run(difference(source, postgres_url)) != []
    assert run("db", "copy", source, postgres_url).code == 0
    assert asyncio.run(difference(source, postgres_url)) == []


def test_a_copy_that_was_stopped_goes_on(
    run: Run, source: str, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_rows, written = copy_rows.write_rows, list[int]()

    def stop_later(connection: Any, table: Any, rows: Any) -> None:
        if len(written) == 6:
            raise StorageError("the process died")
        written.append(len(rows))
        write_rows(connection, table, rows)

    with monkeypatch.context() as patch:
        patch.setattr("voicegraph.state.upkeep.copying.copy_database.write_rows", stop_later)
        patch.setattr("voicegraph.state.upkeep.copying.copy_database._BATCH", 1)
        assert run("db", "copy", source, postgres_url).code == 1
    assert asyncio.run(difference(source, postgres_url)) != []
    assert run("db", "copy", source, postgres_url).code == 0
    assert asyncio.run(difference(source, postgres_url)) == []


def test_a_copy_back_to_sqlite_has_everything_too(
    run: Run, source: str, postgres_url: str, folder: Path
) -> None:
    run("db", "copy", source, postgres_url)
    assert run("db", "copy", postgres_url, f"sqlite:///{folder}/back.db").code == 0
    assert asyncio.run(difference(source, f"sqlite:///{folder}/back.db")) == []


def test_a_database_with_other_data_is_refused_and_left_as_it_was(
    run: Run, source: str, postgres_url: str
) -> None:
    async def make_other() -> None:
        store = await open_store(postgres_url)
        await store.agents.create(Actor("other", "eve"), "eve")
        await store.close()

    asyncio.run(make_other())
    ran = run("db", "copy", source, postgres_url)
    assert ran.code == 2
    assert "contains other data in its table" in ran.errors
    assert "agents" in asyncio.run(difference(source, postgres_url))


def test_a_missing_database_is_not_made(run: Run, folder: Path, postgres_url: str) -> None:
    ran = run("db", "copy", "sqlite:///nothing.db", postgres_url)
    assert ran.code == 2
    assert "there is no database" in ran.errors
    assert not (folder / "nothing.db").exists()


def test_a_database_of_an_older_version_is_told_what_to_do(run: Run, source: str, postgres_url: str) -> None:
    with closing(sqlite3.connect("voice.db")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0003'")
        connection.commit()
    ran = run("db", "copy", source, postgres_url)
    assert ran.code == 2
    assert "run voicegraph db upgrade --db on it first" in ran.errors


def test_a_database_is_not_copied_to_itself(run: Run, source: str) -> None:
    ran = run("db", "copy", source, "sqlite:///voice.db")
    assert (ran.code, "same database" in ran.errors) == (2, True)


def test_vectors_are_copied_and_not_made_anew(run: Run, source: str, postgres_url: str) -> None:
    async def embedded(url: str) -> int:
        store = await open_store(url, embedder=FakeEmbedder())
        try:
            await store.recall.index_due()
            return await store.embedding.embed_due()
        finally:
            await store.close()

    assert asyncio.run(embedded(source)) > 0
    assert run("db", "copy", source, postgres_url).code == 0
    assert asyncio.run(embedded(postgres_url)) == 0
