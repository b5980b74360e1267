"""Forgetting costs what the forgotten rows cost, however many rows others have."""

import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from open_voice import OpenVoice
from patience import PATIENCE
from psycopg.sql import SQL, Identifier
from remembered import live
from sqlalchemy import insert
from sqlalchemy.orm import Session

from voicegraph.graph import Resources
from voicegraph.nodes.testing import ScriptedChatModel
from voicegraph.state import Actor, open_store
from voicegraph.state.agents.thread_keys import thread_key
from voicegraph.state.open import open_checkpointer
from voicegraph.state.tables.tables import (
    AgentBlockRow,
    AgentRow,
    Base,
    BlockRow,
    BlockVersionRow,
    MessageRow,
    PassageRow,
    ThreadRow,
    ToolRunRow,
    UserRow,
)
from voicegraph.state.upkeep.forget import forget_agent, forget_thread, forget_user
from voicegraph.state.upkeep.rows_with_ids import columns_with_ids

ADA, EVE = Actor("acme", "ada"), Actor("acme", "eve")
NOW = datetime(2026, 11, 1, tzinfo=UTC)
CHECKPOINTS = ("thread_checkpoints", "thread_writes", "thread_pieces")
ENTRIES = ("recall_entries", "recall_vectors", "archive_entries", "archive_vectors", "thread_wishes")

FORGET: dict[str, Any] = {
    "thread": lambda store, saver: forget_thread(store, saver, ADA, "ada-nina-thread"),
    "agent": lambda store, saver: forget_agent(store, saver, ADA, "nina"),
    "user": lambda store, saver: forget_user(store, saver, ADA),
}
each_kind = pytest.mark.parametrize("what", FORGET)


@pytest.fixture
def voice_url(request: pytest.FixtureRequest) -> str:
    """The URL of an SQLite database, unless a test asks for one on PostgreSQL."""
    kind = getattr(request, "param", "sqlite")
    return request.getfixturevalue("database_url" if kind == "sqlite" else "postgres_url")


@pytest.fixture
def model() -> ScriptedChatModel:
    return ScriptedChatModel(lambda messages: f"You said {messages[-1].text}.")


async def fill(resources: Resources, few: range) -> None:
    """Give Eve messages of these numbers and a tenth of that of all else, none of it due for the index."""
    agent = await resources.store.agents.get(EVE, "nina")
    key, ids, tenth = thread_key(EVE, "eve-nina-thread"), {"agent_id": agent.id}, few[::10]
    owned = {"organization_id": "acme", "user_id": "eve", "created_at": NOW, "updated_at": NOW}
    number = (agent.number << 32) + 1000
    said = {**ids, "thread_id": key, "turn_id": "t", "role": "user", "text": "Hi.", "created_at": NOW}
    kept = {**ids, "text": "Tea.", "tags": [], "created_at": NOW, "indexed_at": NOW}
    block = {**owned, "label": "l", "value": "v", "limit": 9, "version": 1}
    version = {"version": 1, "value": "v", "changed_by": "user", "changed_at": NOW}
    run = {"thread_id": key, "tool_call_id": "c", "tool": "clock", "status": "done", "started_at": NOW}
    plain = {**owned, "model_settings": {}, "tools": [], "version": 1}
    rows: dict[Any, list[dict[str, Any]]] = {
        UserRow: [{"organization_id": "acme", "id": f"u{n}", "created_at": NOW} for n in tenth],
        AgentRow: [{**plain, "id": f"a{n}", "name": f"a{n}"} for n in tenth],
        ThreadRow: [{**owned, **ids, "id": f"{key}-{n}"} for n in tenth],
        MessageRow: [{**said, "number": number + n, "id": f"m{n}", "indexed_at": NOW} for n in few],
        PassageRow: [{**kept, "number": number + n, "id": f"p{n}"} for n in tenth],
        BlockRow: [{**block, "id": f"b{n}"} for n in tenth],
        AgentBlockRow: [{**ids, "block_id": f"b{n}", "position": n + 9} for n in tenth],
        BlockVersionRow: [{**version, "block_id": f"b{n}"} for n in tenth],
        ToolRunRow: [{**run, "message_id": f"m{n}"} for n in tenth],
    }

    def fill(session: Session) -> None:
        for table, values in rows.items():
            session.execute(insert(table), values)

    await resources.store.database.write(fill)


def fill_checkpoints(file: Path, few: range) -> None:
    rows = [(thread_key(EVE, f"eve-{n}"), f"c{n}") for n in few[::10]]
    checkpoints = "INSERT INTO checkpoints VALUES (?, '', ?, NULL, '', 'x')"
    writes = "INSERT INTO writes VALUES (?, '', ?, 't', 0, '', '', 'x')"
    pieces = "INSERT INTO pieces VALUES (?, ?, 'x')"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.executemany(checkpoints, rows)
        connection.executemany(writes, rows)
        connection.executemany(pieces, rows)


class Watch:
    """What SQLite does on all connections."""

    def __init__(self) -> None:
        self.statements: set[str] = set()
        self.steps = 0

    def watched(self, connection: sqlite3.Connection) -> sqlite3.Connection:
        connection.set_trace_callback(self.statements.add)
        connection.set_progress_handler(self._step, 1)
        return connection

    def _step(self) -> int:
        self.steps += 1
        return 0


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Watch all connections that are made in this test."""
    watch, connect = Watch(), sqlite3.connect
    for module in ("sqlite3", "sqlite3.dbapi2"):
        monkeypatch.setattr(
            f"{module}.connect", lambda *given, **more: watch.watched(connect(*given, **more))
        )
    return watch


async def forget(resources: Resources, what: str) -> None:
    forgotten = await FORGET[what](resources.store, resources.checkpointer)
    assert forgotten.complete
    for key in forgotten.subject.thread_keys:
        resources.known.forget(key)


@each_kind
async def test_sqlite_takes_the_same_steps_however_much_others_have(
    open_voice: OpenVoice, model: ScriptedChatModel, watch: Watch, tmp_path: Path, what: str
) -> None:
    steps: list[int] = []
    async with open_voice(model) as resources:
        await live(resources, EVE)
        for few in (range(200), range(200, 20_000)):
            await live(resources, ADA)
            await fill(resources, few)
            fill_checkpoints(tmp_path / "voice.checkpoints.db", few)
            watch.steps = 0
            await forget(resources, what)
            steps.append(watch.steps)
            if what != "user":
                await forget(resources, "user")
    assert steps[0] > 1000
    assert steps[1] < steps[0] * 1.1


@each_kind
async def test_sqlite_reads_no_table_from_end_to_end(
    open_voice: OpenVoice, model: ScriptedChatModel, watch: Watch, tmp_path: Path, what: str
) -> None:
    async with open_voice(model) as resources:
        await live(resources, ADA)
        watch.statements.clear()
        await forget(resources, what)
    sent = {each for each in watch.statements if each.startswith(("SELECT", "DELETE", "UPDATE", "INSERT"))}
    read = {line for statement in sent for line in plan_of(statement, tmp_path) if line.startswith("SCAN")}
    assert len(sent) > 30
    assert {line for line in read if not line.startswith(GIVEN) and not line.endswith(":=")} <= SMALL


GIVEN = ("SCAN json_each ", "SCAN given ", "SCAN anon_")
"""How steps begin that go through given values."""
SMALL = {
    *("SCAN alembic_version", "SCAN embedder", "SCAN main.archive_config", "SCAN main.recall_config"),
    *("SCAN index_removals", "SCAN sqlite_master"),
}
"""Steps that go through a table of a few rows; removals are those that the index does not know of yet."""


def plan_of(statement: str, folder: Path) -> list[str]:
    """Return the steps of a statement's plan."""
    with closing(sqlite3.connect(folder / "voice.index.db")) as connection:
        for name in ("voice", "voice.checkpoints"):
            connection.execute(f"ATTACH DATABASE ? AS '{name}'", (str(folder / f"{name}.db"),))
        return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]


@each_kind
@pytest.mark.parametrize("voice_url", ["postgres"], indirect=True)
async def test_postgres_reads_no_table_from_end_to_end(
    open_voice: OpenVoice, model: ScriptedChatModel, voice_url: str, what: str
) -> None:
    async with open_voice(model) as resources:
        await live(resources, ADA)
    with psycopg.connect(voice_url, autocommit=True) as admin:
        # A small table is read whole unless that is out of the question.
        admin.execute(SQL("ALTER DATABASE {} SET enable_seqscan = off").format(Identifier(admin.info.dbname)))
        before = scans(admin)
        store = await open_store(voice_url)
        async with open_checkpointer(store.database.location) as saver:
            assert (await FORGET[what](store, saver)).complete
        await store.close()
        after = scans(admin)
    own = {name for name in after if columns_with_ids(name, "postgresql") is not None}
    assert {*Base.metadata.tables, *CHECKPOINTS, *ENTRIES} == own
    assert {name for name in own if after[name] != before[name]} == set()


def scans(admin: Any) -> dict[str, int]:
    """Return how often each table was read from end to end, once all who did it have gone."""
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> %s"
    deadline = time.monotonic() + PATIENCE
    while admin.execute(others, [admin.info.backend_pid]).fetchone()[0]:
        assert time.monotonic() < deadline
    return dict(admin.execute("SELECT relname, seq_scan FROM pg_stat_user_tables").fetchall())
