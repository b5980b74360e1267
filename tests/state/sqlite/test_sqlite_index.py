"""SQLite's search index is a file of its own, which follows the database as well."""

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from ada import ADA
from ada_at_home import Home, Say
from patience import PATIENCE

from voicegraph.state.errors import StorageError
from voicegraph.state.sqlite.search import indexing
from voicegraph.state.store import open_store


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    return sqlite_url


async def save(home: Home, *records: Any) -> None:
    await home.store.messages.save(ADA, home.agent.id, "call-1", records)


async def found(home: Home, query: str) -> list[str]:
    page = await home.store.recall.search(ADA, home.agent.id, query)
    return [hit.message.text for hit in page.hits]


def indexed(folder: Path) -> list[str]:
    """Return the text of every entry of the index of messages."""
    connection = sqlite3.connect(folder / "voice.index.db")
    rows = connection.execute("SELECT text || ' | ' || context FROM recall ORDER BY rowid").fetchall()
    connection.close()
    return [row[0].partition(": ")[2] for row in rows]


async def test_a_message_is_context_of_those_before_it_though_they_were_indexed_earlier(
    home: Home, say: Say, tmp_path: Path
) -> None:
    for number, text in enumerate(["One.", "Two.", "Three.", "Four."]):
        await save(home, say(f"m{number}", text))
        await home.store.recall.index_due()
    assert indexed(tmp_path) == [
        "One. | Two.\nThree.",
        "Two. | One.\nThree.\nFour.",
        "Three. | One.\nTwo.\nFour.",
        "Four. | Two.\nThree.",
    ]


async def test_a_crash_between_the_index_and_the_note_of_it_indexes_once_more(
    home: Home, say: Say, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await save(home, say("m1", "My dog."))

    async def crash(*arguments: object) -> None:
        raise StorageError("the process died")

    with monkeypatch.context() as patch:
        patch.setattr("voicegraph.state.sqlite.search.indexing._settle", crash)
        with pytest.raises(StorageError):
            await home.store.recall.index_due()
    assert len(indexed(tmp_path)) == 1
    assert await home.store.recall.index_due() == 1
    assert len(indexed(tmp_path)) == 1


async def test_a_message_that_changes_while_it_is_indexed_stays_due(
    home: Home, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    await save(home, say("m1", "My dog."))
    settle = indexing._settle

    async def change_first(*arguments: Any) -> None:
        await save(home, say("m1", "My cat."))
        await settle(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(indexing, "_settle", change_first)
        await home.store.index.index_some((0, 1 << 62))
    assert await home.store.recall.index_due() == 1
    assert await found(home, "cat") == ["My cat."]


async def test_no_word_of_what_was_deleted_is_left_in_the_file(home: Home, say: Say, tmp_path: Path) -> None:
    await home.store.threads.claim(ADA, home.agent.id, "call-2")
    await save(home, *(say(f"m{number}", f"My dog Wolfgang number {number}.") for number in range(100)))
    await home.store.messages.save(ADA, home.agent.id, "call-2", [say("m1", "My cat Ludwig.")])
    await home.store.recall.index_due()
    await home.store.threads.delete(ADA, "call-1")
    await home.store.recall.index_due()
    assert await home.store.recall.erase_deleted() == 0
    await home.store.close()
    left = b"".join(file.read_bytes() for file in tmp_path.glob("voice.index.db*")).lower()
    assert b"wolfgang" not in left
    assert b"ludwig" in left


async def test_a_missing_index_file_is_made_again(home: Home, say: Say, url: str, tmp_path: Path) -> None:
    await save(home, say("m1", "My dog."))
    await home.store.recall.index_due()
    await home.store.close()
    for file in tmp_path.glob("voice.index.db*"):
        file.unlink()
    store = await open_store(url)
    assert (await store.recall.search(ADA, home.agent.id, "dog")).hits == ()
    assert await store.recall.index_due() == 1
    assert len((await store.recall.search(ADA, home.agent.id, "dog")).hits) == 1
    await store.close()


async def test_storing_a_turn_does_not_wait_for_the_index(home: Home, say: Say, tmp_path: Path) -> None:
    await home.store.recall.index_due()
    writer = sqlite3.connect(tmp_path / "voice.index.db", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    await asyncio.wait_for(save(home, say("m1", "My dog.")), PATIENCE)
    writer.close()
    assert await home.store.recall.index_due() == 1
