"""Kept heads: the next turn on a thread is given what the one before wrote, and nobody else is."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from voicegraph.state.checkpoints.head_cache import HeadCache
from voicegraph.state.database.location import Location, parse_location
from voicegraph.state.errors import StorageError
from voicegraph.state.open import open_checkpointer


def config(thread_id: str) -> Any:
    return {"configurable": {"thread_id": thread_id, "checkpoint_ns": ""}}


def checkpoint(*words: str) -> Any:
    messages = [HumanMessage(word) for word in words]
    return {
        **empty_checkpoint(),
        "channel_values": {"messages": messages, "turn": {"spoken": words[-1]}},
        "channel_versions": {"messages": "1", "turn": "1"},
    }


async def write(saver: Any, thread_id: str, *words: str) -> Any:
    written = checkpoint(*words)
    await saver.aput(config(thread_id), written, {"step": 1}, written["channel_versions"])
    return written


@asynccontextmanager
async def busy_disk(saver: Any) -> AsyncGenerator[None]:
    """Keep the thread of the checkpoint file busy during the body."""
    running, gate, loop = asyncio.Event(), threading.Event(), asyncio.get_running_loop()

    def wait(_: object) -> None:
        loop.call_soon_threadsafe(running.set)
        gate.wait(20)

    holding = asyncio.create_task(saver.connection.run(wait))
    await running.wait()
    try:
        yield
    finally:
        gate.set()
        await holding


async def take_turn(saver: Any, thread_id: str, *words: str) -> Any:
    with saver.turn_on(thread_id):
        return await write(saver, thread_id, *words)


async def found_by_turn(saver: Any, thread_id: str) -> Any:
    with saver.turn_on(thread_id):
        return await saver.aget_tuple(config(thread_id))


async def words_of_next_turn(saver: Any, thread_id: str) -> list[str]:
    found = await found_by_turn(saver, thread_id)
    return [message.text for message in found.checkpoint["channel_values"]["messages"]]


class Decoding(JsonPlusSerializer):
    """Counts the messages of checkpoints that are decoded."""

    count = 0
    encoded = 0
    """Messages that were encoded."""

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        self.encoded += isinstance(obj, HumanMessage)
        return super().dumps_typed(obj)

    def loads_typed(self, data: Any) -> Any:
        value = super().loads_typed(data)
        self.count += isinstance(value, HumanMessage)
        return value


@pytest.fixture
def location(tmp_path: Path) -> Location:
    return parse_location(f"sqlite:///{tmp_path}/voice.db")


@pytest.fixture
async def saver(location: Location) -> AsyncIterator[Any]:
    async with open_checkpointer(location) as opened:
        opened.serde = Decoding()
        yield opened


async def test_the_next_turn_decodes_nothing(saver: Any) -> None:
    written = await take_turn(saver, "call", "hello")

    assert await words_of_next_turn(saver, "call") == ["hello"]
    assert saver.serde.count == 0
    again = await found_by_turn(saver, "call")
    assert again.checkpoint["id"] == written["id"]
    assert saver.serde.count == 1  # The head is given out once.


async def test_the_next_turn_encodes_no_message_again(saver: Any) -> None:
    await take_turn(saver, "call", "one", "two")
    with saver.turn_on("call"):
        found = await saver.aget_tuple(config("call"))
        window = [*found.checkpoint["channel_values"]["messages"], HumanMessage("three")]
        third = {**checkpoint("three"), "channel_values": {"messages": window}}
        saver.serde.encoded = 0
        await saver.aput(found.config, third, {"step": 2}, third["channel_versions"])
    assert saver.serde.encoded == 1
    assert await words_of_next_turn(saver, "call") == ["one", "two", "three"]
    saver.heads.drop("call")
    assert await words_of_next_turn(saver, "call") == ["one", "two", "three"]


async def test_a_thread_that_is_known_to_be_empty_is_not_read_until_it_has_a_checkpoint(saver: Any) -> None:
    with saver.turn_on("call", is_empty=True):
        async with busy_disk(saver):
            assert await saver.aget_tuple(config("call")) is None
        await write(saver, "call", "hello")
        found = await saver.aget_tuple(config("call"))
    assert found.checkpoint["channel_values"]["messages"][0].text == "hello"


async def test_whether_a_thread_is_empty_is_found_at_the_same_cost_among_many_others(saver: Any) -> None:
    async def steps() -> int:
        taken: list[None] = []
        await saver.connection.run(lambda file: file.set_progress_handler(lambda: taken.append(None), 1))
        assert await saver.threads("new") == {}
        await saver.connection.run(lambda file: file.set_progress_handler(None, 1))
        return len(taken)

    def others(file: Any) -> None:
        rows = [(f"other {number}", "", "1", None, b"", b"") for number in range(1_000)]
        file.executemany("INSERT INTO checkpoints VALUES (?, ?, ?, ?, ?, ?)", rows)

    alone = await steps()
    await saver.connection.write(others)
    assert await steps() <= alone + 10


async def test_whether_a_thread_is_empty_is_found_while_writes_of_others_wait(
    saver: Any, location: Location
) -> None:
    saver.retry_writes("other", lambda: 60.0)
    file = str(location.path).replace(".db", ".checkpoints.db")
    with closing(sqlite3.connect(file, isolation_level=None)) as program, saver.turn_on("other"):
        program.execute("BEGIN IMMEDIATE")
        await write(saver, "other", "hello")
        waiting = asyncio.create_task(saver.until_written("other", None))
        async with asyncio.timeout(10):
            assert await saver.threads("new") == {}
        assert not waiting.done()
        program.execute("ROLLBACK")
        await waiting


async def test_it_is_what_the_database_would_have_given(saver: Any) -> None:
    await take_turn(saver, "call", "one")
    with saver.turn_on("call"):
        first = await saver.aget_tuple(config("call"))
        second = checkpoint("one", "two")
        await saver.aput(first.config, second, {"step": 2}, second["channel_versions"])

    stored = await saver.aget_tuple(config("call"))
    kept = await found_by_turn(saver, "call")
    assert (kept.config, kept.parent_config, kept.pending_writes) == (
        stored.config,
        stored.parent_config,
        stored.pending_writes,
    )
    assert kept.checkpoint == stored.checkpoint
    assert kept.metadata["step"] == stored.metadata["step"]


async def test_whoever_looks_without_a_turn_reads_the_database(saver: Any) -> None:
    await take_turn(saver, "call", "hello")

    await saver.aget_tuple(config("call"))

    assert saver.serde.count == 1


async def test_what_another_process_wrote_is_seen(saver: Any, location: Location) -> None:
    await take_turn(saver, "call", "hello")
    async with open_checkpointer(location) as other:
        await write(other, "call", "hello", "from elsewhere")

    assert await words_of_next_turn(saver, "call") == ["hello", "from elsewhere"]


async def test_what_another_process_wrote_during_a_turn_is_seen_after_it(
    saver: Any, location: Location
) -> None:
    with saver.turn_on("call"):
        await write(saver, "call", "hello")
        async with open_checkpointer(location) as other:
            await write(other, "call", "hello", "from elsewhere")

    assert await words_of_next_turn(saver, "call") == ["hello", "from elsewhere"]


async def test_every_thread_is_read_anew_when_another_process_wrote(saver: Any, location: Location) -> None:
    await take_turn(saver, "call", "hello")
    await take_turn(saver, "other", "goodbye")
    async with open_checkpointer(location) as other:
        await write(other, "call", "hello", "from elsewhere")

    assert await words_of_next_turn(saver, "other") == ["goodbye"]
    assert await words_of_next_turn(saver, "call") == ["hello", "from elsewhere"]
    assert saver.serde.count == 3


async def test_what_was_written_between_turns_is_seen(saver: Any) -> None:
    await take_turn(saver, "call", "hello")
    await write(saver, "call", "edited")

    assert await words_of_next_turn(saver, "call") == ["edited"]


async def test_a_turn_that_was_broken_off_leaves_no_head(saver: Any) -> None:
    with pytest.raises(OSError, match="broken"), saver.turn_on("call"):
        await write(saver, "call", "hello")
        raise OSError("broken")

    assert await words_of_next_turn(saver, "call") == ["hello"]
    assert saver.serde.count == 1


async def test_an_erased_thread_leaves_no_head(saver: Any) -> None:
    await take_turn(saver, "call", "hello")
    await saver.erase(["call"])

    assert await found_by_turn(saver, "call") is None


async def test_a_deleted_thread_leaves_no_head(saver: Any) -> None:
    await take_turn(saver, "call", "hello")
    await saver.adelete_thread("call")

    assert await found_by_turn(saver, "call") is None


async def test_what_a_caller_does_to_the_values_of_a_turn_changes_no_head(saver: Any) -> None:
    written = await take_turn(saver, "call", "hello")
    written["channel_values"]["messages"][0].content = "changed"
    written["channel_values"]["turn"]["spoken"] = "changed"

    values = (await found_by_turn(saver, "call")).checkpoint["channel_values"]
    assert (values["messages"][0].text, values["turn"]["spoken"]) == ("hello", "hello")


async def test_the_longest_unused_threads_make_room(saver: Any) -> None:
    heads = HeadCache(most_messages=4)
    heads.data_version, saver.heads = saver.heads.data_version, heads
    for thread_id in ("first", "second", "third"):
        await take_turn(saver, thread_id, "hello")

    assert await words_of_next_turn(saver, "third") == ["hello"]
    assert await words_of_next_turn(saver, "second") == ["hello"]
    assert saver.serde.count == 0
    assert await words_of_next_turn(saver, "first") == ["hello"]
    assert saver.serde.count == 1


async def test_a_long_message_takes_the_room_of_many(saver: Any) -> None:
    heads = HeadCache(most_messages=10)
    heads.data_version, saver.heads = saver.heads.data_version, heads
    await take_turn(saver, "first", "hello")
    await take_turn(saver, "second", "hello " * 3_000)
    assert (await words_of_next_turn(saver, "first"), saver.serde.count) == (["hello"], 1)
    await take_turn(saver, "third", *["hello"] * 3)
    await take_turn(saver, "fourth", *["hello"] * 3)
    await words_of_next_turn(saver, "third")
    assert saver.serde.count == 1


async def test_what_a_turn_writes_is_waited_for_when_it_must_be(saver: Any) -> None:
    with saver.turn_on("call"):
        async with busy_disk(saver):
            await write(saver, "call", "hello")
            waiting = asyncio.create_task(saver.until_written("call", None))
            for _ in range(20):
                await asyncio.sleep(0)
            assert not waiting.done()
            await saver.until_written("other", None)
        await waiting


async def test_a_checkpoint_that_langgraph_has_not_given_yet_is_waited_for(saver: Any) -> None:
    with saver.turn_on("call"):
        later = checkpoint("hello")
        waiting = asyncio.create_task(saver.until_written("call", later["id"]))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not waiting.done()
        await saver.aput(config("call"), later, {"step": 1}, later["channel_versions"])
        await waiting


@pytest.mark.parametrize("kept", [True, False], ids=["from memory", "from the file"])
async def test_a_checkpoint_that_was_read_need_not_be_given(saver: Any, kept: bool) -> None:
    written = await (take_turn if kept else write)(saver, "call", "hello")
    with saver.turn_on("call"):
        await saver.aget_tuple(config("call"))
        await saver.until_written("call", written["id"])


async def test_no_step_waits_for_checkpoints_that_come_at_the_end_alone(saver: Any) -> None:
    with saver.turn_on("call", each_step=False):
        await saver.until_written("call", checkpoint("hello")["id"])


async def test_a_checkpoint_after_a_lost_one_is_whole(saver: Any) -> None:
    await saver.connection.execute(
        "CREATE TRIGGER full BEFORE INSERT ON checkpoints BEGIN SELECT RAISE(FAIL, ''); END"
    )
    with saver.turn_on("call"):
        await write(saver, "call", "one")
        with pytest.raises(StorageError):
            await saver.until_written("call", None)
        await saver.connection.execute("DROP TRIGGER full")
        await write(saver, "call", "one", "two")
    assert await words_of_next_turn(saver, "call") == ["one", "two"]


async def test_a_disk_that_never_writes_is_told(saver: Any) -> None:
    with saver.turn_on("call"):
        async with busy_disk(saver):
            await write(saver, "call", "hello")
            with pytest.raises(StorageError, match="too slow or full"):
                await saver.until_written("call", None, within=0.0)


async def test_a_write_that_failed_fails_the_turn_that_waits_for_it_and_no_other(saver: Any) -> None:
    await saver.connection.execute("DROP TABLE pieces")
    with saver.turn_on("call"):
        await write(saver, "call", "hello")
        with pytest.raises(StorageError):
            await saver.until_written("call", None)
        await saver.until_written("other", None)
    with pytest.raises(StorageError):
        await write(saver, "call", "hello")


async def test_a_turn_that_could_not_be_written_leaves_no_head(saver: Any) -> None:
    await take_turn(saver, "call", "before")
    await saver.until_written("call", None)
    await saver.connection.execute(
        "CREATE TRIGGER full BEFORE INSERT ON pieces BEGIN SELECT RAISE(FAIL, ''); END"
    )
    await take_turn(saver, "call", "lost")
    with pytest.raises(StorageError):
        await saver.until_written("call", None)
    await saver.connection.execute("DROP TRIGGER full")
    assert await words_of_next_turn(saver, "call") == ["before"]


async def test_what_waits_is_written_as_the_saver_is_closed(location: Location) -> None:
    async with open_checkpointer(location) as first:
        with first.turn_on("call"):
            await write(first, "call", "hello")
    async with open_checkpointer(location) as second:
        assert await words_of_next_turn(second, "call") == ["hello"]
