"""Forgetting on SQLite while another program reads the files: nothing is left, or that is said."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from calling import CALL, user_says
from open_voice import OpenVoice

from voicegraph.graph import build_graph
from voicegraph.nodes.testing import ScriptedChatModel
from voicegraph.state import Actor
from voicegraph.state.errors import StorageError
from voicegraph.state.upkeep.forget import forget_thread

SECRET = "My PIN is 4711."


@pytest.fixture(autouse=True)
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a lock for a moment alone."""
    pragmas = ("PRAGMA busy_timeout=20", "PRAGMA foreign_keys=ON", "PRAGMA secure_delete=ON")
    monkeypatch.setattr("voicegraph.state.sqlite.connection._PRAGMAS", pragmas)
    monkeypatch.setattr("voicegraph.state.sqlite.checkpoints.BUSY_SECONDS", 0.1)


Reader = Callable[[str], sqlite3.Connection]


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """How to begin a transaction that reads one of the files; it stays open until it is closed."""
    opened: list[sqlite3.Connection] = []

    def read(name: str) -> sqlite3.Connection:
        connection = sqlite3.connect(tmp_path / name, isolation_level=None)
        opened.append(connection)
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
        return connection

    yield read
    for connection in opened:
        connection.close()


def words_in_files(folder: Path) -> list[str]:
    return [file.name for file in folder.glob("voice*") if SECRET.encode() in file.read_bytes()]


async def test_while_another_program_reads_the_checkpoints_nothing_is_deleted_and_that_is_said(
    open_voice: OpenVoice, reader: Reader, tmp_path: Path
) -> None:
    async with open_voice(ScriptedChatModel(["I see."])) as resources:
        await build_graph(resources).ainvoke(user_says(SECRET), CALL)
        with closing(reader("voice.checkpoints.db")), pytest.raises(StorageError, match="another program"):
            await forget_thread(resources.store, resources.checkpointer, Actor(), "call-42")
        assert await resources.store.threads.get(Actor(), "call-42")
        forgotten = await forget_thread(resources.store, resources.checkpointer, Actor(), "call-42")
    assert forgotten.complete
    assert words_in_files(tmp_path) == []


async def test_words_that_stay_in_the_log_of_the_database_are_counted(
    open_voice: OpenVoice, reader: Reader, tmp_path: Path
) -> None:
    async with open_voice(ScriptedChatModel(["I see."])) as resources:
        await build_graph(resources).ainvoke(user_says(SECRET), CALL)
        with closing(reader("voice.db")):
            forgotten = await forget_thread(resources.store, resources.checkpointer, Actor(), "call-42")
            assert not forgotten.complete
            assert words_in_files(tmp_path)
        assert await resources.store.database.truncate_log() == 0
        assert words_in_files(tmp_path) == []
