"""The journal of turns: what a crash left, and what is left of it once the turn has gone on and ended."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ada import ADA
from ada_at_home import Home

from voicegraph.state.conversations.journaled_turn import JournaledTurn
from voicegraph.state.conversations.message_rows import MessageRecord

BEGAN = datetime(2026, 11, 28, 12, tzinfo=UTC)


def said(id_: str, words: str, minute: int, role: Any = "assistant") -> MessageRecord:
    at = BEGAN + timedelta(minutes=minute)
    return MessageRecord(id=id_, turn_id="turn-1", role=role, text=words, created_at=at)


async def left_turn(home: Home) -> JournaledTurn:
    found = await home.store.journal.find(home.key)
    assert found
    return found


@pytest.mark.parametrize("recorded", [False, True])
async def test_what_a_crash_cut_off_stands_where_it_was_said(home: Home, recorded: bool) -> None:
    journal, messages = home.store.journal, home.store.messages
    words, first, last = said("u", "Book it.", 0, "user"), said("a1", "Gladly.", 1), said("a2", "Done.", 9)
    await journal.begin(home.key, "turn-1", 7, BEGAN, [words])
    await journal.note([(home.key, "turn-1", "Gladly. It is done,")])
    if recorded:
        assert await journal.record(await left_turn(home))
    left = await left_turn(home)
    await journal.go_on(left, "Gladly.", BEGAN + timedelta(minutes=5))
    await messages.save(ADA, home.agent.id, home.thread_id, [words, first, last], ended="turn-1")
    assert [(each.text, each.status) for each in await messages.history(ADA, home.thread_id)] == [
        ("Book it.", None),
        ("Gladly.", None),
        ("It is done,", "cut"),
        ("Done.", None),
    ]
    assert await home.store.journal.find(home.key) is None


@pytest.mark.parametrize("stored", [False, True])
async def test_a_lost_turn_beside_a_newer_one_goes_into_the_record(home: Home, stored: bool) -> None:
    journal, messages = home.store.journal, home.store.messages
    words = said("u", "Book it.", 0, "user")
    if stored:
        answered = [words, said("a", "Gladly.", 1)]
        await messages.save(ADA, home.agent.id, home.thread_id, answered)
    assert await journal.begin(home.key, "turn-2", 7, BEGAN)
    await journal.keep(home.key, "turn-1", 7, BEGAN, [words], "Gladly.")
    assert [each.text for each in await messages.history(ADA, home.thread_id)] == ["Book it.", "Gladly."]
    assert (await left_turn(home)).turn_id == "turn-2"


async def test_a_lost_turn_whose_words_the_client_tells_again_stands_there_once(home: Home) -> None:
    journal, messages = home.store.journal, home.store.messages
    told = [said("u1", "Book it.", 2, "user"), said("a1", "Gladly.", 2), said("u2", "Thanks.", 2, "user")]
    assert await journal.begin(home.key, "turn-2", 7, BEGAN, told)
    await journal.keep(home.key, "turn-1", 7, BEGAN, [said("u", "Book it.", 0, "user")], "Gladly.")
    await messages.save(ADA, home.agent.id, home.thread_id, told, ended="turn-2")
    assert [each.text for each in await messages.history(ADA, home.thread_id)] == [
        "Book it.",
        "Gladly.",
        "Thanks.",
    ]


@pytest.mark.parametrize(
    ("told", "again"),
    [
        (["Book it.", "Thanks."], True),
        (["Book it."], False),
        (["Thanks.", "Book it.", "Bye."], False),
        ([], False),
    ],
)
async def test_only_words_before_the_newest_are_told_again(home: Home, told: list[str], again: bool) -> None:
    await home.store.journal.begin(home.key, "turn-1", 7, BEGAN, [said("u", "Book it.", 0, "user")])
    left = await left_turn(home)
    later = [said(str(place), words, 2, "user") for place, words in enumerate(told)]
    assert left.is_repeated_in(later) is again


async def test_a_lost_turn_of_a_deleted_thread_is_forgotten(home: Home) -> None:
    await home.store.threads.delete(ADA, home.thread_id)
    await home.store.journal.keep(home.key, "turn-1", 7, BEGAN, [], "Gladly.")
    assert await home.store.journal.find(home.key) is None


async def test_a_left_turn_may_be_replaced_without_a_record_of_it(home: Home) -> None:
    await home.store.journal.begin(home.key, "turn-1", 7, BEGAN, [said("u", "Book it.", 0, "user")])
    await home.store.journal.replace(await left_turn(home), (), "turn-2")
    assert await home.store.messages.history(ADA, home.thread_id) == ()
    assert (await left_turn(home)).turn_id == "turn-2"
