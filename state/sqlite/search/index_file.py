"""The search index of an SQLite database: full-text tables in a separate file, `NAME.index.db`.

SQLite has one writer per file. At a million messages a batch of the index takes 3 ms to write, but one in
twenty takes 20 ms, when FTS5 merges; in the database file every turn would wait for that.
The index contains nothing that is not in the database: a missing or damaged file is rebuilt from it.

Functions run on plain connections in a thread: a search is half a dozen quick statements, and sending each
through an async engine took four times as long as the statements themselves.
"""

import logging
import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ...database.faults import storage_faults
from ...database.location import Location
from ...database.opened_in import OneLoopLock
from ...database.uninterrupted import unbroken
from ...errors import StorageError
from ..connection import BUSY_SECONDS, is_damaged, truncate_log, use_wal
from ..database import SqliteDatabase
from ..private_files import make_file

T = TypeVar("T")

log = logging.getLogger(__name__)

TABLES = {"messages": "recall", "passages": "archive"}
"""The full-text table of each searched table; an entry's row id is the number of its row."""

_VERSION = 2
_FULL_TEXT = tuple(
    statement
    for table in TABLES.values()
    for statement in (
        f"DROP TABLE IF EXISTS {table}",
        # The context is a separate column, so that a match in it counts less.
        f"CREATE VIRTUAL TABLE {table} USING fts5(text, context, tokenize = 'porter unicode61')",
    )
)
_VECTORS = tuple(
    statement
    for table in TABLES.values()
    for statement in (
        f"DROP TABLE IF EXISTS {table}_vectors",
        f"CREATE TABLE {table}_vectors "
        "(number INTEGER PRIMARY KEY, model TEXT, dimension INTEGER, vector BLOB)",
        f"CREATE INDEX {table}_vectors_due ON {table}_vectors (number) WHERE model IS NULL",
    )
)
_SCHEMA = (
    *_FULL_TEXT,
    *_VECTORS,
    "DROP TABLE IF EXISTS embedder",
    "CREATE TABLE embedder (model TEXT NOT NULL)",
)


def index_path(database: Path) -> Path:
    """Return the index file beside `NAME.db`."""
    return database.with_name(f"{database.stem}.index{database.suffix or '.db'}")


class IndexFile:
    """The index of a database; its file is created on first use."""

    def __init__(self, database: SqliteDatabase) -> None:
        """Use `database`; nothing is opened yet."""
        self._database = database
        self._shown = f"{database.location.shown} (its search index)"
        self._readers: deque[sqlite3.Connection] = deque()
        self._writing: _Writing | None = None
        self._opening = OneLoopLock()
        self._turn_to_write = OneLoopLock()
        self._made_again = False

    async def reading(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Call `function` in a thread with a connection in a transaction, and return its result.

        The connection sees the index and all tables of the database, and must not write to either. Raises
        `StorageError` for all errors of SQLite.
        """

        async def read() -> T:
            await self._open()
            return await self._database.in_thread(lambda: self._read(function))

        return await self._with_a_sound_file(read)

    async def writing(self, function: Callable[[sqlite3.Connection, sqlite3.Connection], T]) -> T:
        """Call `function` in a thread with two connections in transactions, and return its result.

        The first connection sees the tables of the database. The second writes the index and is committed at
        the end; no other writer uses the index meanwhile.
        """

        def write(connections: _Writing) -> T:
            with (
                storage_faults(self._shown),
                _transaction(connections.index, "BEGIN IMMEDIATE"),
                _transaction(connections.database, "BEGIN"),
            ):
                return function(connections.database, connections.index)

        async def in_turn() -> T:
            connections = await self._open()
            async with self._turn_to_write:
                return await self._database.in_thread(lambda: write(connections))

        return await self._with_a_sound_file(in_turn)

    async def rewrite(self) -> int:
        """Rewrite the whole file, so that no text of a deleted entry is left in it.

        Until then text stays in FTS5's segments and in free pages. A million entries take a minute. Returns
        the number of pages left in the write-ahead log: 0, unless another program is reading the file for a
        long time.
        """
        connections = await self._open()
        async with self._turn_to_write:
            return await self._database.in_thread(lambda: self._rewrite(connections.index))

    @unbroken
    async def close(self) -> None:
        """Close all connections; closing again does nothing."""
        async with self._opening, self._turn_to_write:
            self._close_all()

    def _close_all(self) -> None:
        while self._readers:
            self._readers.pop().close()
        if self._writing is not None:
            self._writing.close()
        self._writing = None

    async def _with_a_sound_file(self, use: Callable[[], Awaitable[T]]) -> T:
        """Call `use` and return its result; if the file is damaged, rebuild it once and call `use` again."""
        made_again = self._made_again
        try:
            return await use()
        except StorageError as error:
            if self._database.path is None or not is_damaged(error) or made_again:
                raise
        async with self._opening, self._turn_to_write:
            if not self._made_again:  # Of several tasks that found the damage, the first one rebuilds.
                log.warning("the search index is damaged and will be rebuilt")
                await self._database.in_thread(self._remove)
        return await use()

    def _remove(self) -> None:
        self._made_again = True
        self._close_all()
        name, _ = _index(self._database.location)
        for end in ("", "-wal", "-shm"):
            Path(name + end).unlink(missing_ok=True)

    async def _open(self) -> "_Writing":
        async with self._opening:
            return self._writing or await self._database.in_thread(self._prepare)

    def _prepare(self) -> "_Writing":
        location = self._database.location
        with storage_faults(self._shown):
            # An index in memory exists as long as this connection to it.
            connections = _Writing(_connect(*_index(location)), _connect(*_database(location)))
            try:
                if location.path is not None:
                    use_wal(connections.index)
                if _version(connections.index) != _VERSION:
                    _make_tables(connections)
            except BaseException:
                connections.close()
                raise
            self._writing = connections  # Set here: a cancelled call gets no result.
            return connections

    def _read(self, function: Callable[[sqlite3.Connection], T]) -> T:
        with storage_faults(self._shown):
            made_again = self._made_again
            reader = self._readers.pop() if self._readers else self._connect_both()
            try:
                with _transaction(reader, "BEGIN"):
                    return function(reader)
            finally:
                if made_again == self._made_again:
                    self._readers.append(reader)
                else:
                    reader.close()

    def _connect_both(self) -> sqlite3.Connection:
        location = self._database.location
        connection = _connect(*_index(location))
        try:
            # Tables of the database need no prefix: the index has none of the same name.
            connection.execute("ATTACH DATABASE ? AS remembered", _database(location)[:1])
        except BaseException:
            connection.close()
            raise
        return connection

    def _rewrite(self, writer: sqlite3.Connection) -> int:
        with storage_faults(self._shown):
            for table in TABLES.values():
                writer.execute(f"INSERT INTO {table} ({table}) VALUES ('optimize')")
            if self._database.path is None:
                return 0
            writer.execute("VACUUM")
            return truncate_log(writer)


@dataclass(frozen=True, slots=True)
class _Writing:
    """Two connections: one that saw both files would lock both when it writes one."""

    index: sqlite3.Connection
    database: sqlite3.Connection

    def close(self) -> None:
        self.index.close()
        self.database.close()


def _index(location: Location) -> tuple[str, bool]:
    """Return the name of the index, and whether it is a URI."""
    if location.path is not None:
        return str(index_path(location.path)), False
    name, _, options = (location.memory or "").partition("?")
    return f"{name}-index?{options}", True


def _database(location: Location) -> tuple[str, bool]:
    return (str(location.path), False) if location.path is not None else (location.memory or "", True)


def _connect(name: str, uri: bool) -> sqlite3.Connection:
    if not uri:
        make_file(Path(name))
    connection = sqlite3.connect(
        name, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=uri
    )
    try:
        connection.execute("PRAGMA synchronous=NORMAL")
    except BaseException:
        connection.close()
        raise
    return connection


def _version(connection: sqlite3.Connection) -> int:
    return connection.execute("PRAGMA user_version").fetchone()[0]


def _make_tables(connections: _Writing) -> None:
    with _transaction(connections.index, "BEGIN IMMEDIATE"):
        if _version(connections.index) == _VERSION:
            return  # Another process was faster.
        for statement in _SCHEMA:
            connections.index.execute(statement)
        # Everything is due again. The version is set last: a crash in between only repeats this.
        for table in TABLES:
            connections.database.execute(f"UPDATE {table} SET indexed_at = NULL WHERE indexed_at IS NOT NULL")
        connections.index.execute(f"PRAGMA user_version = {_VERSION}")


@contextmanager
def _transaction(connection: sqlite3.Connection, begin: str) -> Generator[None]:
    connection.execute(begin)
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
