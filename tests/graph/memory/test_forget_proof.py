"""The proof of forgetting finds what was left, wherever that is."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from open_voice import OpenVoice
from remembered import live
from sqlalchemy import text
from sqlalchemy.orm import Session

from voicegraph.nodes.testing import ScriptedChatModel
from voicegraph.state import Actor
from voicegraph.state.agents.thread_keys import thread_key
from voicegraph.state.tables.tables import Base
from voicegraph.state.upkeep.erasure_subject import ErasureSubjects
from voicegraph.state.upkeep.forget import INDEX, forget_agent, forget_thread, forget_user

ADA, EVE = Actor("acme", "ada"), Actor("acme", "eve")
FORGET: dict[str, Any] = {
    "thread": lambda store, saver: forget_thread(store, saver, ADA, "ada-nina-thread"),
    "agent": lambda store, saver: forget_agent(store, saver, ADA, "nina"),
    "user": lambda store, saver: forget_user(store, saver, ADA),
}


@pytest.fixture
def voice_url(each_url: str) -> str:
    """Run these tests on both databases."""
    return each_url


@pytest.fixture
def model() -> ScriptedChatModel:
    return ScriptedChatModel(lambda messages: f"You said {messages[-1].text}.")


@contextmanager
def opened(url: str, folder: Path) -> Iterator[Callable[[str], Any]]:
    """Give a function that runs a statement: foreign keys are not looked at, `kept` is a place for copies."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(folder / "voice.db", isolation_level=None)) as connection:
            connection.execute("ATTACH DATABASE ? AS kept", (str(folder / "kept.db"),))
            yield connection.execute
        return
    with psycopg.connect(url, autocommit=True) as server:
        server.execute("CREATE SCHEMA IF NOT EXISTS kept")
        server.execute("SET session_replication_role = replica")
        execute: Any = server.execute
        yield execute


def own_tables(url: str) -> list[str]:
    checkpoints = ("thread_checkpoints", "thread_writes", "thread_pieces")
    return [*Base.metadata.tables, *(() if url.startswith("sqlite") else checkpoints)]


WITHOUT_IDS = {"organizations", "index_removals"}
OF_AGENTS = {"agents", "agents_blocks", "blocks", "block_versions", "passages"}


@pytest.mark.parametrize(
    ("what", "not_of"),
    [("thread", {"users", "api_keys", *OF_AGENTS}), ("agent", {"users", "api_keys"}), ("user", set[str]())],
)
async def test_rows_that_are_back_are_found_in_every_table(
    open_voice: OpenVoice,
    model: ScriptedChatModel,
    voice_url: str,
    tmp_path: Path,
    what: str,
    not_of: set[str],
) -> None:
    tables = own_tables(voice_url)
    async with open_voice(model) as resources:
        store = resources.store
        await live(resources, EVE)
        await live(resources, ADA)
        await store.keys.create(ADA, "phone")
        await store.journal.begin(thread_key(ADA, "ada-nina-thread"), "turn-9", 1, datetime.now(UTC))
        with opened(voice_url, tmp_path) as run:
            for name in tables:
                run(f"CREATE TABLE kept.{name} AS SELECT * FROM {name}")
            forgotten = await FORGET[what](store, resources.checkpointer)
            assert forgotten.complete
            for name in tables:
                run(f"INSERT INTO {name} SELECT * FROM kept.{name} WHERE true ON CONFLICT DO NOTHING")
        left = await ErasureSubjects(store.database).left(ADA, forgotten.subject)
    assert {name: left[name] for name in tables} == {name: forgotten.before[name] for name in tables}
    assert {name for name in tables if not left[name]} == WITHOUT_IDS | not_of


@pytest.mark.parametrize("what", FORGET)
async def test_a_row_of_a_table_that_nobody_knows_is_found_by_any_of_its_columns(
    open_voice: OpenVoice, model: ScriptedChatModel, what: str
) -> None:
    async with open_voice(model) as resources:
        store = resources.store
        await live(resources, ADA)
        subject = await ErasureSubjects(store.database).of_user(ADA)
        [key] = [key for key in subject.thread_keys if "nina" in key]

        def add_table(session: Session) -> None:
            session.execute(text("CREATE TABLE odd (number INTEGER, note TEXT, more TEXT)"))
            session.execute(text("INSERT INTO odd VALUES (1, :key, ''), (2, '', :key)"), {"key": key})

        await store.database.write(add_table)
        forgotten = await FORGET[what](store, resources.checkpointer)
    assert forgotten.before["odd"] == 2
    assert {name for name, count in forgotten.left.items() if count} == {"odd"}


async def test_entries_that_stay_in_the_search_index_are_found(
    open_voice: OpenVoice,
    model: ScriptedChatModel,
    voice_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with open_voice(model) as resources:
        await live(resources, ADA)
        if voice_url.startswith("sqlite"):
            monkeypatch.setattr("voicegraph.state.sqlite.search.indexing._write", lambda *_: None)
        else:
            with opened(voice_url, tmp_path) as run:
                for name in ("recall", "archive"):
                    run(f"ALTER TABLE {name}_entries DROP CONSTRAINT {name}_entries_number_fkey")
        forgotten = await forget_user(resources.store, resources.checkpointer, ADA)
    assert forgotten.left[INDEX] == forgotten.before[INDEX] == 6
    assert not forgotten.complete


@pytest.mark.parametrize("each_url", ["sqlite"], indirect=True)
async def test_entries_of_messages_that_came_while_it_was_forgotten_are_found(
    open_voice: OpenVoice, model: ScriptedChatModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def none_yet(*_: object) -> dict[str, list[int]]:
        return {"messages": [], "passages": []}

    async with open_voice(model) as resources:
        await live(resources, ADA)
        monkeypatch.setattr("voicegraph.state.sqlite.search.indexing._write", lambda *_: None)
        monkeypatch.setattr(type(resources.store.index), "numbers_of", none_yet)
        forgotten = await forget_user(resources.store, resources.checkpointer, ADA)
    assert (forgotten.before[INDEX], forgotten.left[INDEX]) == (0, 6)
