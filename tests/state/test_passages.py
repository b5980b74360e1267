"""Passages: archival memory of an agent."""

from typing import Any

import pytest

from voicegraph.state.actors import Actor
from voicegraph.state.errors import InvalidInput, NotFound

ADA = Actor("acme", "ada")


async def test_a_passage_is_read_back_as_it_was_stored(home: Any) -> None:
    made = await home.store.passages.insert(
        ADA, home.agent.id, "She likes t\0ea 😀", tags=["taste", "שלום"], context="call-1"
    )
    assert await home.store.passages.list(ADA, home.agent.id) == (made,)
    assert (made.text, made.tags, made.context) == ("She likes t\0ea 😀", ("taste", "שלום"), "call-1")


async def test_passages_are_listed_in_order_and_in_pages_from_the_end(home: Any) -> None:
    for number in range(4):
        await home.store.passages.insert(ADA, home.agent.id, f"fact {number}")
    newest = await home.store.passages.list(ADA, home.agent.id, limit=2)
    older = await home.store.passages.list(ADA, home.agent.id, limit=9, before=newest[0].number)
    assert [passage.text for passage in older + newest] == ["fact 0", "fact 1", "fact 2", "fact 3"]
    assert await home.store.passages.count(ADA, home.agent.id) == 4


async def test_a_deleted_passage_is_gone(home: Any) -> None:
    made = await home.store.passages.insert(ADA, home.agent.id, "She likes tea.")
    await home.store.passages.delete(ADA, made.id)
    assert await home.store.passages.count(ADA, home.agent.id) == 0
    with pytest.raises(NotFound, match=f"no passage '{made.id}'"):
        await home.store.passages.delete(ADA, made.id)


async def test_an_empty_passage_and_a_limit_below_one_are_refused(home: Any) -> None:
    with pytest.raises(InvalidInput):
        await home.store.passages.insert(ADA, home.agent.id, " \n")
    with pytest.raises(InvalidInput):
        await home.store.passages.list(ADA, home.agent.id, limit=0)
