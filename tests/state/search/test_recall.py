"""Recall: what was said in any of an agent's conversations is found, and only that."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ada import ADA
from ada_at_home import Home
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from voicegraph.state.conversations.message_rows import MessageRecord
from voicegraph.state.errors import AgentNotFound, InvalidInput
from voicegraph.state.search.recall import RecallHit
from voicegraph.state.search.search import Page
from voicegraph.state.store import Store, open_store

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


async def tell(home: Home, *texts: str, thread: str = "call-1", **rest: Any) -> None:
    """Store texts as said one minute after the other, by caller and agent in turn, and index them."""
    await home.store.threads.claim(ADA, home.agent.id, thread)
    records = [
        MessageRecord(
            id=f"m{place}",
            turn_id="t1",
            role="assistant" if place % 2 else "user",
            text=text,
            created_at=NOON + timedelta(minutes=place),
            **rest,
        )
        for place, text in enumerate(texts)
    ]
    await home.store.messages.save(ADA, home.agent.id, thread, records)
    await home.store.recall.index_due(home.agent.id)


async def search(home: Home, query: str, **options: Any) -> Page[RecallHit]:
    return await home.store.recall.search(ADA, home.agent.id, query, **options)


async def found(home: Home, query: str, **options: Any) -> list[str]:
    return [hit.message.text for hit in (await search(home, query, **options)).hits]


DOG = ("I got a dog.", "What is its name?", "Rex, and he barks.", "How old is he?", "Three.", "Lovely!")


async def test_a_message_is_found_by_another_form_of_its_words(home: Home) -> None:
    await tell(home, *DOG)
    assert (await found(home, "What was barking?"))[0] == "Rex, and he barks."


async def test_a_message_is_found_by_what_was_said_around_it_but_behind_the_one_that_said_it(
    home: Home,
) -> None:
    await tell(home, *DOG)
    assert (await found(home, "dog"))[0] == "I got a dog."
    assert set(await found(home, "dog")) == {"I got a dog.", "What is its name?", "Rex, and he barks."}


async def test_a_hit_comes_with_its_neighbours_speaker_and_time(home: Home) -> None:
    await tell(home, *DOG, name="Ada")
    hit = (await search(home, "barks")).hits[0]
    assert [said.text for said in hit.before] == list(DOG[:2])
    assert [said.text for said in hit.after] == list(DOG[3:5])
    assert (hit.message.speaker, hit.message.role, hit.message.thread_id) == ("Ada", "user", "call-1")
    assert hit.message.created_at == NOON + timedelta(minutes=2)
    assert hit.before[1].created_at == NOON + timedelta(minutes=1)
    assert hit.score > 0


async def test_a_message_is_found_by_its_day_in_the_agent_s_time_zone_and_by_who_said_it(
    home: Home,
) -> None:
    agent = await home.store.agents.create(ADA, "kim", time_zone="Pacific/Auckland")
    await home.store.threads.claim(ADA, agent.id, "call-9")
    record = MessageRecord(id="m1", turn_id="t", role="user", text="Hello.", name="Grace", created_at=NOON)
    await home.store.messages.save(ADA, agent.id, "call-9", [record])
    await home.store.recall.index_due(agent.id)
    for query in ("3 March 2026", "Tuesday", "Grace"):
        assert len((await home.store.recall.search(ADA, agent.id, query)).hits) == 1
    assert not (await home.store.recall.search(ADA, agent.id, "Monday")).hits


async def test_words_that_stand_together_in_the_query_count_more_when_they_do_in_the_message(
    home: Home,
) -> None:
    filler = ["So.", "Well.", "Right.", "Fine."]
    await tell(home, "A class on the long past of pottery.", *filler, "She takes a pottery class.", *filler)
    assert (await found(home, "pottery class"))[0] == "She takes a pottery class."


async def test_all_threads_of_an_agent_are_searched_and_no_other_agent_s(home: Home) -> None:
    other = await home.store.agents.create(ADA, "omar")
    await home.store.threads.claim(ADA, other.id, "call-8")
    record = MessageRecord(id="m1", turn_id="t", role="user", text="A dog of another agent.")
    await home.store.messages.save(ADA, other.id, "call-8", [record])
    await tell(home, "A dog.")
    await tell(home, "Another dog.", thread="call-2")
    await home.store.recall.index_due()
    assert sorted(await found(home, "dog")) == ["A dog.", "Another dog."]
    assert (await search(home, "dog")).hits[0].after == ()


async def test_hits_are_filtered_by_thread_role_and_time(home: Home) -> None:
    await tell(home, "A dog.", "Which dog?", "My dog.")
    await tell(home, "A dog elsewhere.", thread="call-2")
    assert await found(home, "dog", thread_id="call-2") == ["A dog elsewhere."]
    assert await found(home, "dog", thread_id="call-7") == []
    assert await found(home, "dog", role="assistant") == ["Which dog?"]
    late = NOON + timedelta(minutes=1)
    assert await found(home, "dog", start=late, end=late + timedelta(seconds=1)) == ["Which dog?"]
    assert set(await found(home, "dog", end=late)) == {"A dog.", "A dog elsewhere."}


@pytest.mark.parametrize("order", ["best", "newest"])
async def test_pages_hold_every_hit_once_and_in_order(home: Home, order: str) -> None:
    await tell(home, *(f"dog number {place}" for place in range(25)))
    whole = (await search(home, "dog", order=order, limit=100)).hits
    pages: list[RecallHit] = []
    offset: int | None = 0
    while offset is not None:
        page = await search(home, "dog", order=order, limit=10, offset=offset)
        pages += page.hits
        offset = page.next_offset
    assert tuple(pages) == whole
    assert len({hit.message.id for hit in pages}) == 25


async def test_newest_comes_first_when_asked_for(home: Home) -> None:
    await tell(home, "A dog, a dog, a dog.", "Yes.", "A dog.")
    assert await found(home, "dog", order="newest") == ["A dog.", "A dog, a dog, a dog."]


async def test_an_empty_query_gives_all_that_was_said_the_newest_first(home: Home) -> None:
    await tell(home, *DOG)
    assert await found(home, " ") == list(reversed(DOG))
    assert await found(home, "", start=NOON + timedelta(minutes=5)) == ["Lovely!"]


async def test_a_query_of_stop_words_alone_asks_for_these(home: Home) -> None:
    await tell(home, "To be or not to be.", "What?")
    assert (await found(home, "to be"))[0] == "To be or not to be."


TEXTS = ["יש לי כלב חום", "لدي كلب كبير", "dog\0cat", "I am 😀 today", 'say "cheese" OR die', "naïve café"]


@pytest.mark.parametrize(
    ("query", "text"),
    [("כלב", TEXTS[0]), ("كلب", TEXTS[1]), ("cat", TEXTS[2]), ("cat\0", TEXTS[2]), ("😀", TEXTS[3])]
    + [('"cheese', TEXTS[4]), ("Cafe", TEXTS[5]), ("NAIVE*", TEXTS[5])],
)
async def test_any_script_and_any_sign_is_found(
    home: Home, kept: Callable[[Any], Any], query: str, text: str
) -> None:
    for place, each in enumerate(TEXTS):
        await tell(home, each, thread=f"call-{place}")
    assert await found(home, query) == [kept(text)]


@pytest.mark.parametrize("query", ["text : dog", "dog NOT cat", "do*", '"dog cat"', "NEAR(dog x, 1)", "^dog"])
async def test_the_query_language_of_the_index_is_only_words(home: Home, query: str) -> None:
    await tell(home, "A dog is here.")
    await tell(home, "The bird sings.", thread="call-2")
    expected = [] if query == "do*" else ["A dog is here."]
    assert await found(home, query) == expected


@settings(max_examples=75, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    query=st.one_of(
        st.text(max_size=60),
        st.text(st.characters(categories=["Cs", "Cc", "Mn", "Nl", "So", "Lo", "Co"]), max_size=30),
        st.lists(st.sampled_from(["dog", "OR", "AND", "NOT", "NEAR(", ")", '"', "*", "^", ":", "\0"])).map(
            " ".join
        ),
    ),
    order=st.sampled_from(["best", "newest"]),
)
def test_no_text_makes_a_search_fail(memory: Any, query: str, order: Any) -> None:
    loop, store, agent_id = memory

    async def ask() -> None:
        page = await store.recall.search(ADA, agent_id, query, order=order)
        assert len(page.hits) <= 3
        await store.passages.search(ADA, agent_id, query, order=order, tags=[query])

    loop.run_until_complete(ask())


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def memory(request: pytest.FixtureRequest) -> Any:
    """A loop, a store and an agent's id that all examples of a property share."""
    stack = ExitStack()
    url = "sqlite://"
    if request.param == "postgres":
        url = stack.enter_context(request.getfixturevalue("postgres_of_run")().fresh())

    async def make() -> tuple[Store, str]:
        store = await open_store(url)
        agent = await store.agents.create(ADA, "nina")
        await store.threads.claim(ADA, agent.id, "call-1")
        records = [
            MessageRecord(id=f"m{place}", turn_id="t", role="user", text=text)
            for place, text in enumerate(["A dog.", "NEAR the cat OR not", "text : 😀"])
        ]
        await store.messages.save(ADA, agent.id, "call-1", records)
        await store.passages.insert(ADA, agent.id, "A dog.")
        await store.recall.index_due()
        return store, agent.id

    with stack, asyncio.Runner() as runner:
        store, agent_id = runner.run(make())
        yield runner.get_loop(), store, agent_id
        runner.run(store.close())


@pytest.mark.parametrize(
    "options",
    [{"limit": 0}, {"limit": 101}, {"offset": -1}, {"order": "oldest"}, {"role": "tool"}]
    + [{"start": datetime(2026, 1, 1)}, {"end": datetime(2026, 1, 1)}],
    ids=str,
)
async def test_what_cannot_be_searched_is_refused(home: Home, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        await search(home, "dog", **options)


async def test_an_unknown_agent_is_refused(home: Home) -> None:
    with pytest.raises(AgentNotFound):
        await home.store.recall.search(ADA, "agent-\ud83d", "dog")


async def test_an_agent_with_many_messages_is_asked_for_the_rarest_words(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    await tell(home, *(["one two three four five"] * 9), "one two three four five six")
    monkeypatch.setattr("voicegraph.state.search.ranking._MANY_ENTRIES", 5)
    assert (await found(home, "one two three four five six"))[0] == "one two three four five six"
