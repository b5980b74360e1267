"""Search by meaning: vectors follow the index, are never mixed, and nobody waits for them."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from ada import ADA
from embedding_fake import FakeEmbedder
from hold import Hold
from sqlalchemy import text

from voicegraph.state.conversations.message_rows import MessageRecord
from voicegraph.state.errors import MissingExtra, ModelUnavailable
from voicegraph.state.search import embedding as embedding_module
from voicegraph.state.sqlite.database import SqliteDatabase
from voicegraph.state.store import Store, open_store


class Home:
    """Ada's agent in a store with an embedder."""

    def __init__(self, store: Store, embedder: FakeEmbedder, agent: str) -> None:
        self.store, self.embedder, self.agent = store, embedder, agent

    async def say(self, *texts: str, index: bool = True) -> None:
        records = [MessageRecord(id=text, turn_id="t", role="user", text=text) for text in texts]
        await self.store.messages.save(ADA, self.agent, "call-1", records)
        if index:
            await self.store.recall.index_due()
            await self.store.embedding.embed_due()

    async def found(self, query: str, **search: Any) -> list[str]:
        page = await self.store.recall.search(ADA, self.agent, query, **search)
        return [hit.message.text for hit in page.hits]


@pytest.fixture
def embedder() -> FakeEmbedder:
    return FakeEmbedder()


@pytest.fixture
async def home(store_url: str, embedder: FakeEmbedder) -> AsyncIterator[Home]:
    store = await open_store(store_url, embedder=embedder)
    agent = await store.agents.create(ADA, "nina")
    await store.threads.claim(ADA, agent.id, "call-1")
    yield Home(store, embedder, agent.id)
    await store.close()


@pytest.fixture
def vectors(home: Home, tmp_path: Path) -> Callable[..., Awaitable[list[Any]]]:
    """How to read model and size of each vector in the index of messages, or of passages."""

    def in_file(table: str) -> list[Any]:
        with closing(sqlite3.connect(tmp_path / "voice.index.db")) as connection:
            return connection.execute(f"SELECT model, dimension FROM {table}_vectors").fetchall()

    async def read(table: str = "recall") -> list[Any]:
        if isinstance(home.store.database, SqliteDatabase):
            return in_file(table)
        query = text(f"SELECT model, cardinality(vector) FROM {table}_vectors")
        rows = await home.store.database.read(lambda session: session.execute(query).all())
        return [tuple(row) for row in rows]

    return read


async def test_a_message_is_found_by_what_it_means(home: Home) -> None:
    await home.say("My kitten sleeps.", "The automobile is red.")
    assert (await home.found("Where is the cat?"))[0] == "My kitten sleeps."


async def test_a_passage_is_found_by_what_it_means(home: Home) -> None:
    for words in ("She has an allergy.", "She drives an automobile."):
        await home.store.passages.insert(ADA, home.agent, words)
    await home.say()
    page = await home.store.passages.search(ADA, home.agent, "nuts")
    assert page.hits[0].passage.text == "She has an allergy."


async def test_vectors_are_kept_with_the_name_of_the_model(
    home: Home, vectors: Callable[..., Awaitable[list[Any]]]
) -> None:
    await home.say("My kitten sleeps.")
    assert await vectors() == [("fake", 5)]


async def test_a_search_by_meaning_stays_in_its_window(home: Home) -> None:
    await home.say("My kitten sleeps.")
    assert await home.found("cat", role="assistant") == []
    assert await home.found("cat", role="user") == ["My kitten sleeps."]


async def test_a_search_by_meaning_stays_with_its_agent(home: Home) -> None:
    await home.say("My kitten sleeps.")
    other = await home.store.agents.create(ADA, "other")
    assert (await home.store.recall.search(ADA, other.id, "cat")).hits == ()


async def test_pages_part_what_was_found_without_a_gap(home: Home) -> None:
    await home.say(*(f"Kitten {number}." for number in range(30)), "A cat.")
    whole = await home.found("cat", limit=31)
    assert [*await home.found("cat", limit=20), *await home.found("cat", limit=20, offset=20)] == whole


async def test_each_text_is_embedded_once_however_often_its_neighbours_change(home: Home) -> None:
    for words in ("One.", "Two.", "Three."):
        await home.say(words)
    assert len(home.embedder.embedded) == 3


async def test_a_changed_text_gets_another_vector(home: Home) -> None:
    await home.say("My kitten sleeps.")
    changed = MessageRecord(id="My kitten sleeps.", turn_id="t", role="user", text="My automobile.")
    await home.store.messages.save(ADA, home.agent, "call-1", [changed])
    await home.say("Rome.")
    assert (await home.found("car"))[0] == "My automobile."


async def test_what_a_crash_left_without_a_vector_gets_one_later(home: Home, store_url: str) -> None:
    await home.say("First.")
    await home.say("My kitten sleeps.", index=False)
    await home.store.recall.index_due()
    await home.store.close()
    store = await open_store(store_url, embedder=home.embedder)
    assert await store.embedding.embed_due() == 1
    await store.close()


async def test_what_a_process_without_embedder_indexed_gets_a_vector_later(
    home: Home, store_url: str
) -> None:
    await home.say("First.")
    other = await open_store(store_url)
    record = MessageRecord(id="m2", turn_id="t", role="user", text="My kitten sleeps.")
    await other.messages.save(ADA, home.agent, "call-1", [record])
    await other.recall.index_due()
    await other.close()
    assert await home.store.embedding.embed_due() == 1


async def test_without_an_embedder_nothing_of_vectors_is_kept(
    home: Home, store_url: str, vectors: Callable[..., Awaitable[list[Any]]]
) -> None:
    plain = await open_store(store_url)
    record = MessageRecord(id="m1", turn_id="t", role="user", text="My kitten sleeps.")
    await plain.messages.save(ADA, home.agent, "call-1", [record])
    await plain.recall.index_due()
    assert await plain.embedding.embed_due() == 0
    assert await vectors() == []
    await plain.close()


async def test_an_embedder_that_is_down_leaves_the_search_by_words(home: Home) -> None:
    await home.say("My kitten sleeps.")
    home.embedder.down = True
    assert await home.found("kitten") == ["My kitten sleeps."]
    assert await home.found("cat") == []


async def test_an_embedder_that_hangs_leaves_the_search_by_words(home: Home, store_url: str) -> None:
    await home.say("My kitten sleeps.")
    home.embedder.hold = asyncio.Event()
    store = await open_store(store_url, embedder=home.embedder, embed_deadline=0.01)
    page = await store.recall.search(ADA, home.agent, "kitten")
    assert [hit.message.text for hit in page.hits] == ["My kitten sleeps."]
    await store.close()


async def test_who_leaves_a_search_does_not_wait_for_the_embedder(home: Home) -> None:
    home.embedder.hold = asyncio.Event()
    search = asyncio.create_task(home.found("kitten"))
    await asyncio.sleep(0)
    search.cancel()
    with pytest.raises(asyncio.CancelledError):
        await search
    assert not home.embedder.hold.is_set()


async def test_what_could_not_be_embedded_stays_due(home: Home) -> None:
    home.embedder.down = True
    with pytest.raises(ModelUnavailable):
        await home.say("My kitten sleeps.")
    home.embedder.down = False
    assert await home.store.embedding.embed_due() == 1


async def test_a_text_that_the_model_refuses_does_not_stop_the_others(home: Home) -> None:
    home.embedder.refuses = "kitten"
    await home.say("My kitten sleeps.", "The automobile is red.")
    assert (await home.found("car"))[0] == "The automobile is red."
    assert await home.store.embedding.embed_due() == 0


async def test_vectors_of_two_models_are_never_mixed(home: Home, store_url: str) -> None:
    await home.say("My kitten sleeps.")
    store = await open_store(store_url, embedder=FakeEmbedder("another"))
    assert await store.embedding.embed_due() == 0
    assert (await store.recall.search(ADA, home.agent, "cat")).hits == ()
    await store.close()


async def test_a_change_of_the_model_goes_on_where_it_was_stopped(
    home: Home, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding_module, "_BATCH", 2)
    await home.say(*(f"Kitten {number}." for number in range(6)))
    other = FakeEmbedder("another")
    store = await open_store(store_url, embedder=other)
    await store.embedding.change_model()

    def stop(done: int, left: int) -> None:
        other.down = done == 4

    with pytest.raises(ModelUnavailable):
        await store.embedding.embed_due(stop)
    other.down = False
    await store.embedding.change_model()
    assert await store.embedding.embed_due() == 2
    assert len((await store.recall.search(ADA, home.agent, "cat")).hits) == 6
    await store.close()


async def test_a_text_that_changes_while_it_is_embedded_stays_due(home: Home) -> None:
    await home.say("First.")
    await home.say("My kitten sleeps.", index=False)
    await home.store.recall.index_due()
    home.embedder.hold = hold = Hold()
    embedding = asyncio.create_task(home.store.embedding.embed_due())
    await hold.reached.wait()
    changed = MessageRecord(id="My kitten sleeps.", turn_id="t", role="user", text="My automobile.")
    await home.store.messages.save(ADA, home.agent, "call-1", [changed])
    await home.store.recall.index_due()
    home.embedder.hold.set()
    await embedding
    assert any("automobile" in text for text in home.embedder.embedded)


async def test_no_vector_is_left_of_what_was_deleted(
    home: Home, vectors: Callable[..., Awaitable[list[Any]]]
) -> None:
    await home.store.passages.insert(ADA, home.agent, "She has an allergy.")
    await home.say("My kitten sleeps.")
    await home.store.agents.delete(ADA, home.agent)
    assert await home.store.recall.erase_deleted() == 0
    assert (await vectors(), await vectors("archive")) == ([], [])


async def test_an_embedder_without_numpy_is_told_what_is_missing(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding_module, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"voicegraph\[embeddings\]"):
        await open_store(store_url, embedder=FakeEmbedder())
