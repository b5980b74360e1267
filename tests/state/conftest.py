"""A store on a real database of either kind, with an agent and a thread in it."""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from ada import ADA
from ada_at_home import Home, Say
from engines import engine_of
from sqlalchemy import event, text

from voicegraph.state.agents.thread_keys import thread_key
from voicegraph.state.conversations.message_rows import MessageRecord
from voicegraph.state.sqlite.database import SqliteDatabase
from voicegraph.state.store import Store, open_store


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'voice.db'}"


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with all tables, made once: to copy it is faster than to migrate a new one for each test."""
    file = tmp_path_factory.mktemp("template") / "voice.db"

    async def make() -> None:
        await (await open_store(f"sqlite:///{file}")).close()

    asyncio.run(make())
    return file


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest) -> str:
    """The URL of the store: what tests ask of it is asked on SQLite and on PostgreSQL."""
    return request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")


@pytest.fixture
def sqlite_url(url: str, tmp_path: Path, empty_database: Path) -> str:
    shutil.copy(empty_database, tmp_path / "voice.db")
    return url


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    opened = await open_store(store_url)
    yield opened
    await opened.close()


@pytest.fixture
async def home(store: Store) -> Home:
    agent = await store.agents.create(ADA, "nina")
    await store.threads.claim(ADA, agent.id, "call-1")
    key = thread_key(ADA, "call-1")
    return Home(store=store, actor=ADA, agent=agent, thread_id="call-1", key=key)


@pytest.fixture
def kept(store: Store) -> Callable[[Any], Any]:
    """How the store keeps plain data: PostgreSQL holds no NUL characters."""

    def as_kept(value: Any) -> Any:
        match value:
            case str():
                return value.replace("\0", "\ufffd")
            case dict():
                return {as_kept(name): as_kept(each) for name, each in value.items()}
            case list():
                return [as_kept(each) for each in value]
            case _:
                return value

    return (lambda value: value) if isinstance(store.database, SqliteDatabase) else as_kept


@pytest.fixture
def entries(store: Store, tmp_path: Path) -> Callable[[], Awaitable[list[str]]]:
    """How to read the texts in the index of messages, without the day before each."""

    def in_file() -> list[Any]:
        with closing(sqlite3.connect(tmp_path / "voice.index.db")) as connection:
            return connection.execute("SELECT text FROM recall ORDER BY rowid").fetchall()

    async def read() -> list[str]:
        if isinstance(store.database, SqliteDatabase):
            rows = in_file()
        else:
            query = text("SELECT text FROM recall_entries ORDER BY number")
            rows = await store.database.read(lambda session: session.execute(query).all())
        return [row[0].partition(": ")[2] for row in rows]

    return read


@pytest.fixture
def say() -> Say:
    def make(id_: str, words: str = "hello", **rest: object) -> MessageRecord:
        return MessageRecord(id=id_, turn_id="turn-1", role="user", text=words, **rest)  # type: ignore[arg-type]

    return make


@pytest.fixture
def statements(store: Store) -> list[str]:
    """Every statement that the store sends from now on, without those that begin a transaction."""
    seen: list[str] = []

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        if not statement.startswith("BEGIN"):
            seen.append(statement)

    event.listen(engine_of(store.database), "before_cursor_execute", note)
    return seen
