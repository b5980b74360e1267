"""PostgreSQL's search index: processes share its upkeep, no turn waits for it, vectors need no extension."""

import asyncio

import pytest
from ada import ADA
from ada_at_home import Home
from embedding_fake import FakeEmbedder
from patience import PATIENCE
from sqlalchemy import text
from sqlalchemy.orm import Session
from sqlalchemy.util import await_only

from voicegraph.state.conversations.message_rows import MessageRecord
from voicegraph.state.postgres.search import ranking
from voicegraph.state.store import Store, open_store

ALL = (0, (1 << 63) - 1)
LOCK = text("SELECT pg_advisory_xact_lock(CAST(x'76676978' AS integer), :agent)")


@pytest.fixture
def store_url(postgres_url: str) -> str:
    return postgres_url


def record(place: int, words: str) -> MessageRecord:
    return MessageRecord(id=f"m{place}", turn_id="t", role="user", text=words)


async def tell(home: Home, *texts: str) -> None:
    records = [record(place, words) for place, words in enumerate(texts)]
    await home.store.messages.save(ADA, home.agent.id, "call-1", records)


async def found(store: Store, agent: str, query: str) -> list[str]:
    return [hit.message.text for hit in (await store.recall.search(ADA, agent, query)).hits]


async def test_while_one_process_indexes_an_agent_others_go_on_with_the_next(home: Home) -> None:
    other = await home.store.agents.create(ADA, "omar")
    await home.store.threads.claim(ADA, other.id, "call-2")
    await home.store.messages.save(ADA, other.id, "call-2", [record(1, "A cat.")])
    await tell(home, "A dog.")

    def index_meanwhile(session: Session) -> None:
        session.execute(LOCK, {"agent": home.agent.number})
        assert await_only(home.store.index.index_some(ALL)) == 1
        assert await_only(home.store.index.index_some(ALL)) == 0
        assert await_only(found(home.store, other.id, "cat")) == ["A cat."]

    await home.store.database.write(index_meanwhile)
    assert await home.store.index.index_some(ALL) == 1


async def test_processes_that_index_at_once_take_each_message_once(home: Home, store_url: str) -> None:
    agents = [await home.store.agents.create(ADA, f"agent {number}") for number in range(4)]
    for agent in agents:
        await home.store.threads.claim(ADA, agent.id, agent.name)
        records = [record(place, f"dog {place}") for place in range(50)]
        await home.store.messages.save(ADA, agent.id, agent.name, records)
    others = [await open_store(store_url) for _ in range(3)]
    done = await asyncio.gather(*(store.recall.index_due() for store in (home.store, *others)))
    for store in others:
        await store.close()
    assert sum(done) == 200
    assert [len(await found(home.store, agent.id, "dog")) for agent in agents] == [10] * 4


async def test_a_turn_that_is_stored_does_not_wait_while_its_agent_is_indexed(home: Home) -> None:
    await tell(home, "A dog.")
    save = home.store.messages.save(ADA, home.agent.id, "call-1", [record(7, "A cat.")])

    def save_meanwhile(session: Session) -> None:
        session.execute(LOCK, {"agent": home.agent.number})
        session.execute(text("SELECT number FROM messages FOR NO KEY UPDATE"))
        await_only(asyncio.wait_for(save, PATIENCE))

    await home.store.database.write(save_meanwhile)


async def test_a_message_that_a_turn_changes_just_now_is_left_for_the_next_step(home: Home) -> None:
    await tell(home, "A dog.", "A cat.")

    def index_meanwhile(session: Session) -> None:
        session.execute(text("UPDATE messages SET text = 'A bird.' WHERE id = 'm0'"))
        assert await_only(asyncio.wait_for(home.store.index.index_some(ALL), PATIENCE)) == 1

    await home.store.database.write(index_meanwhile)
    assert await home.store.recall.index_due() == 1
    assert (await found(home.store, home.agent.id, "bird"))[0] == "A bird."


async def test_a_message_is_found_by_new_words_around_it_though_it_was_indexed_earlier(home: Home) -> None:
    for place, words in enumerate(["One.", "Two.", "Three.", "Four."]):
        await home.store.messages.save(ADA, home.agent.id, "call-1", [record(place, words)])
        await home.store.recall.index_due()
    assert await found(home.store, home.agent.id, "four") == ["Four.", "Two.", "Three."]


async def test_a_search_stays_in_the_index_entries_of_its_agent(home: Home) -> None:
    await tell(home, "A dog.")
    await home.store.recall.index_due()
    query = text("SELECT words::text FROM recall_entries")
    [words] = await home.store.database.read(lambda session: session.scalars(query).all())
    assert f"'{home.agent.number}:dog'" in words
    assert all(part.startswith(f"'{home.agent.number}") for part in words.split())


@pytest.mark.parametrize("extension", [True, False], ids=["with pgvector", "with numpy"])
async def test_vectors_are_compared_by_the_server_or_here_with_the_same_result(
    home: Home, store_url: str, extension: bool
) -> None:
    store = await open_store(store_url, embedder=FakeEmbedder())
    await tell(home, "My kitten sleeps.", "The automobile is red.", "Rome.")
    await store.recall.index_due()
    await store.embedding.embed_due()
    if not extension:
        await store.database.write(lambda session: session.execute(text("DROP EXTENSION vector")))
    page = await store.recall.search(ADA, home.agent.id, "Where is the cat?")
    assert [hit.message.text for hit in page.hits][0] == "My kitten sleeps."
    assert [round(hit.score, 6) for hit in page.hits] == [0.2, 0.0, 0.0]
    await store.close()


async def test_two_processes_never_embed_one_text_twice(home: Home, store_url: str) -> None:
    await tell(home, *(f"Kitten {number}." for number in range(200)))
    await home.store.recall.index_due()
    embedders = [FakeEmbedder(), FakeEmbedder()]
    stores = [await open_store(store_url, embedder=embedder) for embedder in embedders]
    await stores[0].embedding.change_model()
    await asyncio.gather(*(store.embedding.embed_due() for store in stores))
    embedded = [words for embedder in embedders for words in embedder.embedded]
    assert len(embedded) == len(set(embedded)) == 200
    assert await home.store.index.count_due() == 0
    for store in stores:
        await store.close()


async def test_a_search_takes_a_handful_of_statements(home: Home, statements: list[str]) -> None:
    await tell(home, "A dog.", "A cat.")
    await home.store.recall.index_due()
    await found(home.store, home.agent.id, "dog")
    statements.clear()
    await found(home.store, home.agent.id, "dog")
    assert len(statements) <= 6


async def test_a_thread_that_is_deleted_just_now_holds_no_step_up(home: Home) -> None:
    await tell(home, "A dog.", "A cat.", "A bird.")

    def index_meanwhile(session: Session) -> None:
        session.execute(text("DELETE FROM messages WHERE id = 'm1'"))
        assert await_only(asyncio.wait_for(home.store.index.index_some(ALL), PATIENCE)) == 2

    await home.store.database.write(index_meanwhile)
    assert await home.store.recall.index_due() == 0
    assert await found(home.store, home.agent.id, "bird") == ["A bird.", "A dog."]


async def test_words_of_many_messages_are_counted_about_right(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    await tell(home, *("A dog barks." if number % 10 == 0 else "A cat." for number in range(200)))
    await home.store.recall.index_due()
    exact = await home.store.recall.search(ADA, home.agent.id, "dog barks")
    monkeypatch.setattr(
        ranking,
        "_COUNTS",
        ranking._COUNTS.replace("> 1000", "> 5"),  # pyright: ignore[reportPrivateUsage]
    )
    estimated = await home.store.recall.search(ADA, home.agent.id, "dog barks")
    assert [hit.message.id for hit in estimated.hits] == [hit.message.id for hit in exact.hits]
    for one, other in zip(estimated.hits, exact.hits, strict=True):
        assert one.score == pytest.approx(other.score, rel=0.3)
