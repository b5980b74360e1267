"""A turn that a crash left is replaced by one process while another one puts it into the record."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from ada import ADA
from ada_at_home import Home
from hold import Hold
from sqlalchemy import Connection, text
from sqlalchemy.util import await_only

from voicegraph.state.conversations import turn_journal
from voicegraph.state.conversations.message_rows import MessageRecord
from voicegraph.state.errors import ThreadBusy

BEGAN = datetime(2026, 11, 28, 12, tzinfo=UTC)
_BLOCKED = text("SELECT count(*) FROM pg_locks WHERE NOT granted")


@pytest.fixture
def store_url(postgres_url: str) -> str:
    return postgres_url


def said(id_: str, words: str, role: Any = "assistant") -> MessageRecord:
    return MessageRecord(id=id_, turn_id="turn-1", role=role, text=words, created_at=BEGAN)


async def test_what_is_recorded_meanwhile_does_not_stand_beside_what_replaces_it(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, words, reply = home.store.journal, said("u", "Book it.", "user"), said("a", "Gladly.")
    await journal.begin(home.key, "turn-1", 7, BEGAN, [words])
    await journal.note([(home.key, "turn-1", "Gladly.")])
    left = await journal.find(home.key)
    assert left
    saved, save_records = Hold(), turn_journal.save_records

    def slow_save(connection: Connection, *given: Any) -> None:
        save_records(connection, *given)
        await_only(saved.wait())

    with monkeypatch.context() as patch:
        patch.setattr(turn_journal, "save_records", slow_save)
        recording = asyncio.create_task(journal.record(left))
        await saved.reached.wait()
    replacing = asyncio.create_task(journal.replace(left, [words, reply], "turn-2"))
    while not await home.store.database.read(lambda session: session.execute(_BLOCKED).scalar_one()):
        await asyncio.sleep(0)
    saved.set()
    await asyncio.gather(recording, replacing, return_exceptions=True)
    assert replacing.exception() is None or isinstance(replacing.exception(), ThreadBusy)
    history = await home.store.messages.history(ADA, home.thread_id)
    assert [message.text for message in history] == ["Book it.", "Gladly."]
