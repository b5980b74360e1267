"""A file of checkpoints that LangGraph's own saver made is rewritten once, as it is opened."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from calling import user_says
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from old_checkpoints import WORD, config, contents, copy_thread, fill

from voicegraph.graph import build_graph, open_resources
from voicegraph.nodes.testing import ScriptedChatModel, calls
from voicegraph.state.database.location import parse_location
from voicegraph.state.errors import StorageError
from voicegraph.state.open import open_checkpointer
from voicegraph.state.sqlite.checkpoint_upgrade import FORMAT


@pytest.fixture
async def old(tmp_path: Path) -> dict[str, list[Any]]:
    """Make a file of two threads, one of which has lost checkpoints, and return what is in it."""
    async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "voice.checkpoints.db")) as saver:
        await saver.setup()
        await saver.conn.execute("PRAGMA secure_delete=OFF")
        await fill(saver, "call-1", 5)
        await fill(saver, "call-2", 3)
        await fill(saver, "gone", 30)
        await saver.adelete_thread("gone")
        return {thread_id: await contents(saver, thread_id) for thread_id in ("call-1", "call-2")}


def opened(folder: Path) -> Any:
    return open_checkpointer(parse_location(f"sqlite:///{folder}/voice.db"))


async def test_all_that_was_in_the_file_is_read_as_before(old: dict[str, list[Any]], tmp_path: Path) -> None:
    async with opened(tmp_path) as saver:
        for thread_id, before in old.items():
            after = await contents(saver, thread_id)
            assert [(each.config, each.checkpoint, each.parent_config) for each in after] == [
                (each.config, each.checkpoint, each.parent_config) for each in before
            ]
            assert [each.metadata for each in after] == [each.metadata for each in before]
            assert [each.pending_writes for each in after] == [each.pending_writes for each in before]
        newest = await saver.aget_tuple(config("call-1"))
        assert newest.checkpoint == old["call-1"][0].checkpoint


async def test_words_that_were_deleted_without_being_overwritten_are_gone(
    old: dict[str, list[Any]], tmp_path: Path
) -> None:
    async with opened(tmp_path) as saver:
        await saver.erase(list(old))
        for file in tmp_path.glob("voice.checkpoints*"):
            assert WORD.encode() not in file.read_bytes()


async def test_each_message_is_in_the_file_once(old: dict[str, list[Any]], tmp_path: Path) -> None:
    async with opened(tmp_path):
        pass
    with closing(sqlite3.connect(tmp_path / "voice.checkpoints.db")) as connection:
        [(pieces,)] = connection.execute("SELECT count(*) FROM pieces WHERE thread_id = 'call-1'")
        assert pieces == 5 + 5 + 1  # Questions, answers, and the prompt.
        assert connection.execute("PRAGMA user_version").fetchone() == (FORMAT,)
    assert (tmp_path / "voice.checkpoints.db").read_bytes().count(b"Question 0?") == 2  # One a thread.


async def test_an_upgrade_that_breaks_down_leaves_the_file_as_it_was(
    old: dict[str, list[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("voicegraph.state.sqlite.checkpoint_upgrade.put_writes", lambda *_: [("result", ())])
        with pytest.raises(StorageError, match=r"voice\.checkpoints\.db"):
            async with opened(tmp_path):
                pass
    async with opened(tmp_path) as saver:
        assert len(await contents(saver, "call-1")) == len(old["call-1"])


async def test_an_upgrade_that_is_killed_before_the_file_is_rewritten_is_completed_by_the_next(
    old: dict[str, list[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("voicegraph.state.sqlite.checkpoint_upgrade._shrink", lambda _: None)
        async with opened(tmp_path) as saver:
            await saver.erase(list(old))
    assert WORD.encode() in (tmp_path / "voice.checkpoints.db").read_bytes()
    async with opened(tmp_path):
        pass
    assert WORD.encode() not in (tmp_path / "voice.checkpoints.db").read_bytes()


async def test_a_file_of_a_newer_version_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "voice.checkpoints.db")) as connection:
        connection.execute(f"PRAGMA user_version={FORMAT + 1}")
    with pytest.raises(StorageError, match="upgrade voicegraph"):
        async with opened(tmp_path):
            pass


async def test_a_conversation_goes_on_after_the_upgrade(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/voice.db"
    script = ["Hello Ada.", calls("current_time", "One moment."), "It is late.", "You are Ada."]
    model = ScriptedChatModel(script)
    call: Any = {"configurable": {"thread_id": "call-42"}}
    async with open_resources(url, model=model) as resources:
        graph = build_graph(resources)
        await graph.ainvoke(user_says("I am Ada."), call)
        await graph.ainvoke(user_says("What time is it?"), call)
        states = [each async for each in graph.aget_state_history(call)]
        async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "old.db")) as saver:
            await saver.setup()
            await copy_thread(resources.checkpointer, saver, "call-42")
    (tmp_path / "old.db").replace(tmp_path / "voice.checkpoints.db")
    async with open_resources(url, model=model) as resources:
        graph = build_graph(resources)
        assert [each.values async for each in graph.aget_state_history(call)] == [
            each.values for each in states
        ]
        await graph.ainvoke(user_says("Who am I?"), call)
        assert "I am Ada." in str(model.requests[-1])
