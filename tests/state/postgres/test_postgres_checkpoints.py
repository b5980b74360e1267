"""The checkpoints of a turn on PostgreSQL: written while it has its thread, and known when they are."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.base import empty_checkpoint
from postgres_outage import Outage

from voicegraph.state.database.location import parse_location
from voicegraph.state.errors import StorageError, ThreadLost
from voicegraph.state.open import open_checkpointer
from voicegraph.state.postgres.lease import Lease, ThreadFacts
from voicegraph.state.postgres.patience import Patience

CONFIG: Any = {"configurable": {"thread_id": "call-42", "checkpoint_ns": ""}}


def _facts(head: str | None) -> ThreadFacts:
    now = datetime(2026, 11, 29, tzinfo=UTC)
    return ThreadFacts(
        head=head,
        organization_id=None,
        user_id=None,
        agent_id=None,
        said=False,
        left=False,
        taken_at=now,
    )


@pytest.fixture
def lease() -> Lease:
    return Lease("call-42", _facts(None), lambda: True)


@pytest.fixture
async def saver(postgres_url: str) -> AsyncIterator[Any]:
    async with open_checkpointer(parse_location(postgres_url)) as opened:
        yield opened


async def put(saver: Any, *words: str) -> str:
    messages = [HumanMessage(word, id=word) for word in words]
    checkpoint: Any = {**empty_checkpoint(), "channel_values": {"messages": messages}}
    await saver.aput(CONFIG, checkpoint, {}, {})
    return checkpoint["id"]


async def words_of(saver: Any) -> list[str]:
    found = await saver.aget_tuple(CONFIG)
    return [message.text for message in found.checkpoint["channel_values"]["messages"]]


async def test_what_a_turn_wrote_is_stored_when_it_gives_its_thread_back(saver: Any, lease: Lease) -> None:
    async with saver.holding(Patience(lease, lambda: 60.0)):
        with saver.turn_on("call-42"):
            written = await put(saver, "hello")
    assert await saver.count(["call-42"]) == {
        "thread_checkpoints": 1,
        "thread_writes": 0,
        "thread_pieces": 1,
    }
    assert lease.head == written


async def test_a_checkpoint_that_was_read_before_the_turn_began_need_not_be_given(
    saver: Any, lease: Lease
) -> None:
    async with saver.holding(Patience(lease, lambda: 60.0)):
        written = await put(saver, "hello")
        await saver.aget_tuple(CONFIG)
        with saver.turn_on("call-42"):
            await saver.aget_tuple(CONFIG)
            await saver.until_written("call-42", written)


async def test_nothing_is_written_once_the_thread_is_lost(saver: Any, lease: Lease) -> None:
    async with saver.holding(Patience(lease, lambda: 60.0)):
        with saver.turn_on("call-42"):
            lease.regain(None)
            written = await put(saver, "hello")
            with pytest.raises(ThreadLost):
                await saver.until_written("call-42", written)
        assert saver.has_failed("call-42")
    assert set((await saver.count(["call-42"])).values()) == {0}


async def test_a_checkpoint_that_fails_after_another_is_seen_by_who_waits(saver: Any, lease: Lease) -> None:
    async with saver.holding(Patience(lease, lambda: 60.0)):
        with saver.turn_on("call-42"):
            await saver.until_written("call-42", await put(saver, "one"))
            lease.regain(None)
            with pytest.raises(StorageError):
                await saver.until_written("call-42", await put(saver, "one", "two"))
    assert await words_of(saver) == ["one"]


async def test_the_next_turn_writes_the_pieces_alone_that_are_new(saver: Any, lease: Lease) -> None:
    async with saver.holding(Patience(lease, lambda: 60.0)):
        with saver.turn_on("call-42"):
            await saver.until_written("call-42", await put(saver, "one"))
        async with saver.pool.connection() as connection:
            await connection.execute("DELETE FROM thread_pieces")
        with saver.turn_on("call-42"):
            await saver.aget_tuple(CONFIG)
            await put(saver, "one", "two")
    assert await words_of(saver) == ["two"]


async def test_a_turn_after_another_process_wrote_reads_the_database(
    saver: Any, lease: Lease, postgres_url: str
) -> None:
    async with saver.holding(Patience(lease, lambda: 60.0)):
        with saver.turn_on("call-42"):
            await put(saver, "one")
    async with open_checkpointer(parse_location(postgres_url)) as other:
        head = await put(other, "one", "from elsewhere")
    async with saver.holding(Patience(Lease("call-42", _facts(head), lambda: True), lambda: 60.0)):
        with saver.turn_on("call-42"):
            assert await words_of(saver) == ["one", "from elsewhere"]


async def test_writes_of_a_turn_wait_while_the_server_is_away(
    saver: Any, lease: Lease, outage: Outage
) -> None:
    async with saver.holding(Patience(lease, lambda: 60.0)):
        with saver.turn_on("call-42"):
            with outage.lasting():
                written = await put(saver, "hello")
                waiting = asyncio.create_task(saver.until_written("call-42", written, within=None))
                with pytest.raises(StorageError):
                    await saver.count(["call-42"])
                assert not waiting.done()
            await waiting
    assert await words_of(saver) == ["hello"]


async def test_pruning_deletes_messages_that_no_checkpoint_needs(saver: Any) -> None:
    for words in (["old", "kept"], ["kept"], ["kept", "new"]):
        await put(saver, *words)
    await saver.prune_thread("call-42", 2)
    assert await saver.count(["call-42"]) == {
        "thread_checkpoints": 2,
        "thread_writes": 0,
        "thread_pieces": 2,
    }
    assert await words_of(saver) == ["kept", "new"]
