"""Messages: each stored once, numbered in order, found again as they were."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from ada import ADA
from ada_at_home import Home, Say
from sqlalchemy import text

from voicegraph.state.conversations.message_rows import MessageRecord
from voicegraph.state.conversations.messages import StoredMessage
from voicegraph.state.errors import AgentNotFound, InvalidInput, ThreadNotFound


async def save(home: Home, *records: MessageRecord, evicted: tuple[str, ...] = ()) -> None:
    await home.store.messages.save(ADA, home.agent.id, home.thread_id, records, evicted=evicted)


async def history(home: Home, **options: Any) -> tuple[StoredMessage, ...]:
    return await home.store.messages.history(ADA, home.thread_id, **options)


async def test_a_message_is_read_back_as_it_was_stored(home: Home) -> None:
    calls = [{"id": "c1", "name": "clock", "args": {"zone": "UTC", "deep": [1, 2.5, None]}}]
    instant = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone(timedelta(hours=2)))
    record = MessageRecord(
        id="m1",
        turn_id="turn-1",
        role="assistant",
        text="It is noon.",
        unheard=" Is there more?",
        tool_calls=calls,
        tool_call_id="c0",
        name="nina",
        status="interrupted",
        model="openai:x",
        usage={"input_tokens": 3},
        created_at=instant,
    )
    await save(home, record)
    (stored,) = await history(home)
    for name in ("id", "turn_id", "role", "text", "unheard", "tool_calls", "tool_call_id", "name", "status"):
        assert getattr(stored, name) == getattr(record, name)
    assert (stored.model, stored.usage, stored.thread_id) == ("openai:x", {"input_tokens": 3}, "call-1")
    assert stored.created_at == instant
    assert stored.created_at.tzinfo is UTC
    assert stored.evicted_at is None


async def test_messages_are_numbered_from_their_agents_number_in_order(home: Home, say: Say) -> None:
    await save(home, say("b"), say("a"))
    await save(home, say("c"))
    first = home.agent.number << 32
    assert [(m.id, m.number - first) for m in await history(home)] == [("b", 1), ("a", 2), ("c", 3)]


async def test_the_threads_of_an_agent_share_its_numbers(home: Home, say: Say) -> None:
    await home.store.threads.claim(ADA, home.agent.id, "call-2")
    await save(home, say("m1"))
    await home.store.messages.save(ADA, home.agent.id, "call-2", [say("m1")])
    await save(home, say("m2"))
    assert [message.number & 0xFFFFFFFF for message in await history(home)] == [1, 3]


async def test_a_replay_writes_nothing_twice(home: Home, say: Say) -> None:
    records = [say("m1", "one"), say("m2", "two")]
    await save(home, *records)
    before = await history(home)
    await save(home, *records, say("m3"))
    after = await history(home)
    assert after[:2] == before
    assert [message.id for message in after] == ["m1", "m2", "m3"]


async def test_a_changed_message_keeps_its_number_and_time(home: Home, say: Say) -> None:
    await save(home, say("m1", "I would say a lot."), say("m2"))
    before = (await history(home))[0]
    await save(home, say("m1", "I would", unheard=" say a lot."))
    after = (await history(home))[0]
    assert (after.text, after.unheard) == ("I would", " say a lot.")
    assert (after.number, after.created_at) == (before.number, before.created_at)


async def test_of_two_records_with_one_id_the_last_counts(home: Home, say: Say) -> None:
    await save(home, say("m1", "first"), say("m1", "last"))
    assert [message.text for message in await history(home)] == ["last"]


async def test_evicted_messages_are_marked_once_and_stay(home: Home, say: Say) -> None:
    await save(home, say("m1"), say("m2"))
    await save(home, evicted=("m1", "never stored"))
    marked = (await history(home))[0].evicted_at
    assert marked is not None
    await save(home, say("m3"), evicted=("m1", "m3"))
    first, second, third = await history(home)
    assert first.evicted_at == marked
    assert second.evicted_at is None
    assert third.evicted_at is not None


async def test_saving_touches_the_thread(home: Home, say: Say) -> None:
    before = await home.store.threads.get(ADA, "call-1")
    await save(home, say("m1"))
    assert (await home.store.threads.get(ADA, "call-1")).updated_at > before.updated_at


@pytest.mark.parametrize("number", [1, 500])
async def test_a_save_takes_a_handful_of_statements(
    home: Home, say: Say, statements: list[str], number: int
) -> None:
    await save(home, say("m0"))
    statements.clear()
    records = [say("m0", "changed"), *(say(f"m{n}") for n in range(1, number + 1))]
    await save(home, *records, evicted=("m0",))
    assert len(statements) <= 7


async def test_more_messages_than_a_statement_holds_values_are_stored(home: Home, say: Say) -> None:
    records = [say(f"m{number}") for number in range(10_001)]
    await save(home, *records)
    await save(home, *records, evicted=tuple(record.id for record in records))
    stored = await history(home)
    assert [message.id for message in stored] == [record.id for record in records]
    assert all(message.evicted_at for message in stored)


async def test_history_is_read_in_pages_from_the_end(home: Home, say: Say) -> None:
    await save(home, *(say(f"m{number}") for number in range(5)))
    newest = await history(home, limit=2)
    older = await history(home, limit=2, before=newest[0].number)
    assert [message.id for message in older + newest] == ["m1", "m2", "m3", "m4"]
    assert await home.store.messages.count(ADA, "call-1") == 5
    with pytest.raises(InvalidInput):
        await history(home, limit=0)


async def test_threads_that_save_at_once_get_numbers_of_their_own(home: Home, say: Say) -> None:
    threads = [f"call-{number}" for number in range(8)]
    for thread_id in threads:
        await home.store.threads.claim(ADA, home.agent.id, thread_id)

    async def save_some(thread_id: str) -> None:
        for number in range(5):
            await home.store.messages.save(ADA, home.agent.id, thread_id, [say(f"m{number}")])

    await asyncio.gather(*(save_some(thread_id) for thread_id in threads))
    assert (await home.store.agents.counts(ADA, home.agent.id)).messages == 40


async def test_a_time_without_zone_is_refused_and_nothing_is_stored(home: Home, say: Say) -> None:
    with pytest.raises(InvalidInput, match="time zone"):
        await save(home, say("m1"), say("m2", created_at=datetime(2026, 1, 1)))
    assert await history(home) == ()


async def test_messages_for_an_unknown_thread_or_agent_are_refused(home: Home, say: Say) -> None:
    other = await home.store.agents.create(ADA, "omar")
    with pytest.raises(ThreadNotFound):
        await home.store.messages.save(ADA, home.agent.id, "call-42", [say("m1")])
    with pytest.raises(ThreadNotFound):
        await home.store.messages.save(ADA, other.id, "call-1", [say("m1")])
    with pytest.raises(AgentNotFound):
        await home.store.messages.save(ADA, "agent-x", "call-1", [say("m1")])


TEXTS = [
    "",
    "a\0b\0",
    "😀👩‍👩‍👧",
    "שלום עולם",
    "مرحبا \u202eabc\u202c",
    "e\u0301",
    "'; DROP TABLE messages; --",
    "\r\n\t",
]


@pytest.mark.parametrize("words", [*TEXTS, "x" * 1_000_000])
async def test_any_text_is_read_back_the_same(
    home: Home, say: Say, kept: Callable[[Any], Any], words: str
) -> None:
    calls: list[dict[str, Any]] = [{"id": "c1", "args": {words: words}}]
    await save(home, say("m1", words, name=words, tool_calls=calls))
    (stored,) = await history(home)
    assert (stored.text, stored.name, stored.tool_calls) == (kept(words), kept(words), kept(calls))


async def test_half_a_surrogate_pair_does_not_lose_the_message(home: Home, say: Say) -> None:
    await save(home, say("m1", "so \ud83d sad"), say("m2", "so \ud83d\ude00 glad"))
    assert [message.text for message in await history(home)] == ["so \ufffd sad", "so 😀 glad"]


async def test_what_a_message_does_not_have_is_null_in_the_database(home: Home, say: Say) -> None:
    await save(home, say("m1"))
    query = text("SELECT tool_calls, usage, name FROM messages WHERE tool_calls IS NULL AND usage IS NULL")
    assert len(await home.store.database.read(lambda session: session.execute(query).all())) == 1
