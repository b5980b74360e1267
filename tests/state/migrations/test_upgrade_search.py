"""A database of revision 0001 keeps its data, and all of it becomes searchable."""

import sqlite3
from pathlib import Path

from ada import ADA
from alembic import command
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from voicegraph.state.database.location import parse_location
from voicegraph.state.migrations.upgrade import alembic_config
from voicegraph.state.store import open_store

WHEN = "2026-01-02 03:04:05.000000"
DATA = f"""
INSERT INTO organizations VALUES ('acme', '{WHEN}');
INSERT INTO users VALUES ('acme', 'ada', '{WHEN}');
INSERT INTO agents (number, id, name, model_settings, tools, time_zone, version, created_at, updated_at,
    organization_id, user_id)
    VALUES (7, 'agent-7', 'nina', '{{}}', '[]', 'UTC', 1, '{WHEN}', '{WHEN}', 'acme', 'ada');
INSERT INTO threads VALUES ('call-1', 'agent-7', '{WHEN}', '{WHEN}', 'acme', 'ada');
INSERT INTO messages (number, id, thread_id, agent_id, turn_id, role, text, created_at)
    VALUES ((7 << 32) + 1, 'm1', 'call-1', 'agent-7', 't1', 'user', 'My dog is old.', '{WHEN}');
INSERT INTO passages (number, id, agent_id, text, tags, created_at)
    VALUES ((7 << 32) + 1, 'passage-1', 'agent-7', 'Likes tea.', '["taste"]', '{WHEN}');
"""


def make_old(url: str, file: Path) -> None:
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        command.upgrade(alembic_config(connection, parse_location(url)), "0001")
    connection = sqlite3.connect(file)
    connection.executescript(DATA)
    connection.close()


async def test_what_an_older_version_stored_is_there_and_can_be_searched(url: str, tmp_path: Path) -> None:
    make_old(url, tmp_path / "voice.db")
    store = await open_store(url)
    assert [message.text for message in await store.messages.history(ADA, "call-1")] == ["My dog is old."]
    assert await store.recall.index_due() == 2
    assert len((await store.recall.search(ADA, "agent-7", "dogs")).hits) == 1
    assert len((await store.passages.search(ADA, "agent-7", "taste")).hits) == 1
    await store.close()


async def test_what_an_older_version_stored_leaves_no_entry_when_it_is_deleted(
    url: str, tmp_path: Path
) -> None:
    make_old(url, tmp_path / "voice.db")
    store = await open_store(url)
    await store.recall.index_due()
    await store.agents.delete(ADA, "nina")
    assert await store.recall.erase_deleted() == 0
    await store.close()
    connection = sqlite3.connect(tmp_path / "voice.index.db")
    assert connection.execute("SELECT count(*) FROM recall").fetchone() == (0,)
    connection.close()
