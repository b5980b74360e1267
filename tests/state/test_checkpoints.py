"""Checkpoints: a file of their own, strict about types, pruned."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.base import empty_checkpoint

from voicegraph.state.checkpoints import checkpoint_path, open_checkpointer, prune_checkpoints
from voicegraph.state.errors import StorageError


@dataclass
class Stranger:
    """A type that nobody allowed."""

    name: str


def config(thread_id: str) -> Any:
    return {"configurable": {"thread_id": thread_id, "checkpoint_ns": ""}}


async def put(saver: Any, thread_id: str, count: int) -> None:
    for _ in range(count):
        await saver.aput(config(thread_id), empty_checkpoint(), {}, {})


async def count(saver: Any, thread_id: str) -> int:
    return len([item async for item in saver.alist(config(thread_id))])


def test_checkpoints_stand_beside_the_database() -> None:
    assert checkpoint_path(Path("/data/voice.db")) == "/data/voice.checkpoints.db"
    assert checkpoint_path(None) == ":memory:"


async def test_the_file_is_written_ahead_and_synced_normally(tmp_path: Path) -> None:
    async with open_checkpointer(tmp_path / "voice.db") as saver:
        values = {}
        for pragma in ("journal_mode", "synchronous"):
            [row] = await saver.conn.execute_fetchall(f"PRAGMA {pragma}")
            values[pragma] = row[0]
    assert values == {"journal_mode": "wal", "synchronous": 1}


async def test_pruning_keeps_the_newest_of_this_thread_alone(tmp_path: Path) -> None:
    async with open_checkpointer(tmp_path / "voice.db") as saver:
        await put(saver, "call-1", 5)
        await put(saver, "call-2", 5)
        newest = [item.checkpoint["id"] async for item in saver.alist(config("call-1"))][:2]
        await prune_checkpoints(saver, "call-1", 2)
        assert [item.checkpoint["id"] async for item in saver.alist(config("call-1"))] == newest
        assert await count(saver, "call-2") == 5


async def test_pruning_a_short_thread_changes_nothing(tmp_path: Path) -> None:
    async with open_checkpointer(tmp_path / "voice.db") as saver:
        await put(saver, "call-1", 2)
        await prune_checkpoints(saver, "call-1", 5)
        assert await count(saver, "call-1") == 2


async def test_a_checkpoint_rebuilds_messages_and_no_other_types() -> None:
    async with open_checkpointer(None) as saver:
        message = HumanMessage("Hello.", id="m1")
        assert saver.serde.loads_typed(saver.serde.dumps_typed(message)) == message
        rebuilt = saver.serde.loads_typed(saver.serde.dumps_typed(Stranger("x")))
    assert not isinstance(rebuilt, Stranger)


async def test_a_file_that_is_no_database_is_an_error_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "voice.checkpoints.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(StorageError, match=r"voice\.checkpoints\.db"):
        async with open_checkpointer(tmp_path / "voice.db"):
            pass
