"""A search index whose file is damaged is made again from the database."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from voicegraph.state import Actor, open_store
from voicegraph.state.conversations.message_rows import MessageRecord


def overwrite(file: Path) -> None:
    file.write_bytes(b"no database " * 1000)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:5000])


def spoil_the_words(file: Path) -> None:
    connection = sqlite3.connect(file)
    connection.execute("UPDATE recall_data SET block = x'00ff00ff' WHERE id > 10")
    connection.commit()
    connection.close()


DAMAGES: dict[str, Callable[[Path], None]] = {
    "overwritten": overwrite,
    "cut": cut,
    "spoilt words": spoil_the_words,
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("first", ["a search", "the upkeep"])
async def test_a_damaged_index_is_made_again(
    database_url: str, tmp_path: Path, damage: str, first: str, caplog: pytest.LogCaptureFixture
) -> None:
    actor = Actor()
    store = await open_store(database_url)
    agent = await store.agents.create(actor, "nina")
    await store.threads.claim(actor, agent.id, "call-1")
    said = MessageRecord(id="m1", turn_id="t1", role="user", text="I like tea.")
    await store.messages.save(actor, agent.id, "call-1", [said])
    await store.recall.index_due()
    await store.close()
    DAMAGES[damage](tmp_path / "voice.index.db")
    store = await open_store(database_url)
    if first == "a search":
        await store.recall.search(actor, agent.id, "tea")
    await store.messages.save(
        actor, agent.id, "call-1", [MessageRecord(id="m2", turn_id="t2", role="user", text="Green tea.")]
    )
    await store.recall.index_due()
    await store.recall.search(actor, agent.id, "tea")  # Damage that no write meets is seen here.
    await store.recall.index_due()
    found = await store.recall.search(actor, agent.id, "tea")
    await store.close()
    assert {hit.message.text for hit in found.hits} == {"I like tea.", "Green tea."}
    assert caplog.text.count("will be rebuilt") == 1
