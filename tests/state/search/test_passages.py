"""Passages: archival memory of an agent."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ada import ADA
from ada_at_home import Home

from voicegraph.state.errors import InvalidInput, NotFound


async def test_a_passage_is_read_back_as_it_was_stored(home: Home, kept: Callable[[Any], Any]) -> None:
    (made,) = await home.store.passages.insert(
        ADA, home.agent.id, "She likes t\0ea 😀", tags=["taste", "שלום"], context="call-1"
    )
    assert await home.store.passages.list(ADA, home.agent.id) == (made,)
    assert (made.text, made.tags, made.context) == (
        kept("She likes t\0ea 😀"),
        ("taste", "שלום"),
        "call-1",
    )


async def test_passages_are_listed_in_order_and_in_pages_from_the_end(home: Home) -> None:
    for number in range(4):
        await home.store.passages.insert(ADA, home.agent.id, f"fact {number}")
    newest = await home.store.passages.list(ADA, home.agent.id, limit=2)
    older = await home.store.passages.list(ADA, home.agent.id, limit=9, before=newest[0].number)
    assert [passage.text for passage in older + newest] == ["fact 0", "fact 1", "fact 2", "fact 3"]
    assert await home.store.passages.count(ADA, home.agent.id) == 4


async def test_a_deleted_passage_is_gone(home: Home) -> None:
    (made,) = await home.store.passages.insert(ADA, home.agent.id, "She likes tea.")
    await home.store.passages.delete(ADA, made.id)
    assert await home.store.passages.count(ADA, home.agent.id) == 0
    with pytest.raises(NotFound, match=f"no passage '{made.id}'"):
        await home.store.passages.delete(ADA, made.id)


async def test_an_empty_passage_and_a_limit_below_one_are_refused(home: Home) -> None:
    with pytest.raises(InvalidInput):
        await home.store.passages.insert(ADA, home.agent.id, " \n")
    with pytest.raises(InvalidInput):
        await home.store.passages.list(ADA, home.agent.id, limit=0)


async def test_a_long_text_is_cut_at_the_ends_of_sentences(home: Home) -> None:
    sentence = "She has told us quite a lot about her three cats and the tea that she likes. "
    made = await home.store.passages.insert(ADA, home.agent.id, sentence * 40, tags=["tea"])
    assert len(made) > 1
    assert all(len(passage.text) <= 1000 and passage.text.endswith("likes.") for passage in made)
    assert " ".join(passage.text for passage in made) == (sentence * 40).strip()
    assert {(passage.tags, passage.created_at) for passage in made} == {(("tea",), made[0].created_at)}


@pytest.mark.parametrize(
    "text",
    ["x" * 2500, "word " * 500, "שלום עולם. " * 200, "今日は晴れです。" * 300]
    + ["a\n\nb " * 600, "😀" * 1001, "\0" * 1500],
    ids=range(7),
)
async def test_no_character_but_blanks_is_lost_where_a_text_is_cut(
    home: Home, kept: Callable[[Any], Any], text: str
) -> None:
    made = await home.store.passages.insert(ADA, home.agent.id, text)
    assert max(len(passage.text) for passage in made) <= 1000
    assert "".join("".join(p.text.split()) for p in made) == "".join(kept(text).split())


async def test_a_text_of_ten_megabytes_is_refused_with_limit_and_size(home: Home) -> None:
    with pytest.raises(InvalidInput, match="at most 1000000 characters, this one has 10000000"):
        await home.store.passages.insert(ADA, home.agent.id, "x" * 10_000_000)
    assert await home.store.passages.count(ADA, home.agent.id) == 0


async def texts(home: Home, query: str, **options: Any) -> list[str]:
    page = await home.store.passages.search(ADA, home.agent.id, query, **options)
    return [hit.passage.text for hit in page.hits]


async def test_passages_are_found_by_their_words_tags_and_context(home: Home) -> None:
    store, agent = home.store, home.agent.id
    await store.passages.insert(ADA, agent, "She likes tea.", tags=["taste"])
    await store.passages.insert(ADA, agent, "Her cat is called Tom.", context="From a call about pets.")
    await store.recall.index_due(agent)
    assert await texts(home, "liking") == ["She likes tea."]
    assert await texts(home, "taste") == ["She likes tea."]
    assert await texts(home, "pets") == ["Her cat is called Tom."]
    assert await texts(home, '"') == []


async def test_passages_are_filtered_by_tags_and_time_and_paged(home: Home) -> None:
    store, agent, noon = home.store, home.agent.id, datetime(2026, 3, 2, 12, tzinfo=UTC)
    for number in range(5):
        tags = ["even"] if number % 2 == 0 else ["odd", "שלום"]
        at = noon + timedelta(days=number)
        await store.passages.insert(ADA, agent, f"tea {number}", tags=tags, created_at=at)
    await store.recall.index_due()
    assert await texts(home, "tea", tags=["odd", "שלום"], order="newest") == ["tea 3", "tea 1"]
    assert await texts(home, "", start=noon + timedelta(days=3)) == ["tea 4", "tea 3"]
    assert await texts(home, "tea", end=noon + timedelta(days=1)) == ["tea 0"]
    page = await store.passages.search(ADA, agent, "tea", order="newest", limit=2)
    assert page.next_offset == 2
    rest = await store.passages.search(ADA, agent, "tea", order="newest", limit=4, offset=2)
    assert [hit.passage.text for hit in rest.hits] == ["tea 2", "tea 1", "tea 0"]
    assert rest.next_offset is None


async def test_a_deleted_passage_is_not_found(home: Home) -> None:
    (made,) = await home.store.passages.insert(ADA, home.agent.id, "She likes tea.")
    await home.store.recall.index_due()
    await home.store.passages.delete(ADA, made.id)
    assert await texts(home, "tea") == []
    assert await home.store.recall.erase_deleted() == 0


async def test_a_time_without_zone_is_refused(home: Home) -> None:
    with pytest.raises(InvalidInput, match="time zone"):
        await home.store.passages.insert(ADA, home.agent.id, "tea", created_at=datetime(2026, 1, 1))
