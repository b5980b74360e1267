"""Checkpoints: a file of their own, strict about types, pruned."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.conformance import checkpointer_test, validate
from postgres_databases import PostgresDatabases

from voicegraph.state.database.location import Location, checkpoint_path, parse_location
from voicegraph.state.errors import StorageError
from voicegraph.state.open import open_checkpointer


@dataclass
class Stranger:
    """A type that nobody allowed."""

    name: str


def config(thread_id: str) -> Any:
    return {"configurable": {"thread_id": thread_id, "checkpoint_ns": ""}}


async def put(saver: Any, thread_id: str, count: int) -> None:
    for number in range(1, count + 1):
        checkpoint = {
            **empty_checkpoint(),
            "channel_values": {"words": ["one", "two"][:number]},
            "channel_versions": {"words": str(min(number, 2))},
        }
        written = await saver.aput(config(thread_id), checkpoint, {}, checkpoint["channel_versions"])
        await saver.aput_writes(written, [("words", ["said"])], "task")


async def count(saver: Any, thread_id: str) -> int:
    return len([item async for item in saver.alist(config(thread_id))])


@pytest.fixture
async def saver(each_url: str) -> AsyncIterator[Any]:
    """The saver of a database of either kind."""
    async with open_checkpointer(parse_location(each_url)) as opened:
        yield opened


def location_in(folder: Path) -> Location:
    return parse_location(f"sqlite:///{folder}/voice.db")


def test_checkpoints_stand_beside_the_database() -> None:
    assert checkpoint_path(Path("/data/voice.db")) == "/data/voice.checkpoints.db"
    assert checkpoint_path(None) == ":memory:"


async def test_the_file_is_written_ahead_and_synced_normally(tmp_path: Path) -> None:
    async with open_checkpointer(location_in(tmp_path)) as opened:
        saver: Any = opened
        values = {}
        for pragma in ("journal_mode", "synchronous"):
            [row] = await saver.connection.execute(f"PRAGMA {pragma}")
            values[pragma] = row[0]
    assert values == {"journal_mode": "wal", "synchronous": 1}


async def test_pruning_keeps_the_newest_of_this_thread_alone(saver: Any) -> None:
    await put(saver, "call-1", 5)
    await put(saver, "call-2", 5)
    newest = [item async for item in saver.alist(config("call-1"))][:2]
    await saver.prune_thread("call-1", 2)
    assert [item async for item in saver.alist(config("call-1"))] == newest
    assert newest[0].checkpoint["channel_values"] == {"words": ["one", "two"]}
    assert newest[0].pending_writes == [("task", "words", ["said"])]
    assert await count(saver, "call-2") == 5


async def test_pruning_a_short_thread_changes_nothing(saver: Any) -> None:
    await put(saver, "call-1", 2)
    await saver.prune_thread("call-1", 5)
    assert await count(saver, "call-1") == 2


async def test_erasing_leaves_nothing_of_these_threads_and_all_of_others(saver: Any) -> None:
    await put(saver, "call-1", 2)
    await put(saver, "call-2", 2)
    before = await saver.count(["call-1", "call-2"])
    await saver.erase(["call-1"])
    assert set((await saver.count(["call-1"])).values()) == {0}
    assert await saver.count(["call-2"]) == {name: rows // 2 for name, rows in before.items()}


async def test_a_checkpoint_rebuilds_messages_and_no_other_types(saver: Any) -> None:
    message = HumanMessage("Hello.", id="m1")
    assert saver.serde.loads_typed(saver.serde.dumps_typed(message)) == message
    rebuilt = saver.serde.loads_typed(saver.serde.dumps_typed(Stranger("x")))
    assert not isinstance(rebuilt, Stranger)


async def test_the_saver_does_all_that_langgraph_asks_of_one(each_url: str) -> None:
    @checkpointer_test(name="as it is opened here")
    async def opened() -> AsyncIterator[Any]:
        async with open_checkpointer(parse_location(each_url)) as saver:
            yield saver

    report = await validate(opened)
    failures = [failure for result in report.results.values() for failure in result.failures or []]
    assert failures == []
    assert report.passed_all_base()


async def test_processes_that_start_at_once_make_the_tables_once(postgres: PostgresDatabases) -> None:
    with postgres.fresh(migrated=False) as url:

        async def start() -> int:
            async with open_checkpointer(parse_location(url)) as saver:
                await put(saver, "call-1", 1)
                return await count(saver, "call-1")

        assert min(await asyncio.gather(*(start() for _ in range(4)))) >= 1
        with psycopg.connect(url) as connection:
            pieces = connection.execute("SELECT count(*) FROM thread_pieces").fetchone()
    assert pieces == (0,)


async def test_a_server_that_is_away_is_an_error_without_the_password() -> None:
    location = parse_location("postgresql://ada:secret@127.0.0.1:1/voice")
    with pytest.raises(StorageError, match=r"postgresql://127\.0\.0\.1:1/voice") as error:
        async with open_checkpointer(location):
            pass
    assert "secret" not in str(error.value)


async def test_a_file_that_is_no_database_is_an_error_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "voice.checkpoints.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(StorageError, match=r"voice\.checkpoints\.db"):
        async with open_checkpointer(location_in(tmp_path)):
            pass
