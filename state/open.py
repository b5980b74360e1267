"""Open databases, search indexes and checkpointers: only this file chooses SQLite or PostgreSQL."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, cast

from .database.database import CONNECTIONS, Database
from .database.faults import storage_faults
from .database.location import Location, checkpoint_path, parse_location
from .database.name_locks import NameLocks, NoLocks
from .database.storage_health import StorageHealth
from .migrations.upgrade import HEAD, upgrade
from .search.search_index import SearchIndex

if TYPE_CHECKING:
    from .checkpoints.checkpointer import Checkpointer


async def open_database(url: str, *, migrate: bool = True, connections: int = CONNECTIONS) -> Database:
    """Open the database at `url` and migrate its tables.

    Accepts `sqlite:///relative.db`, `sqlite:////absolute.db`, `sqlite:///:memory:`, `sqlite://` and
    `postgresql://...`. SQLite's folder and file are created if missing. With `migrate` false the tables stay
    as they are. `connections` limits the connections to PostgreSQL. Raises `InvalidSetting` for other URLs,
    `MissingExtra` without PostgreSQL's driver, `StorageError` if it cannot be opened or written or is not a
    voicegraph database.
    """
    location = parse_location(url)
    database, revision = await _opened(url, location, connections)
    if migrate and revision != HEAD:
        try:
            await upgrade(database.location)
        except BaseException:
            await database.close()
            raise
    return database


async def _opened(url: str, location: Location, connections: int) -> tuple[Database, str | None]:
    """Return the database and its schema revision, `None` if that is not known yet."""
    if not location.sqlite:
        from .postgres.database import PostgresDatabase

        with storage_faults(location.shown):
            return PostgresDatabase(url, location, connections), None
    from .sqlite.connection import prepare_file
    from .sqlite.database import SqliteDatabase

    revision = None
    if location.path is not None:
        revision = await asyncio.to_thread(prepare_file, location.path)
    with storage_faults(location.shown):
        return SqliteDatabase(url, location), revision


def has_index(database: Database) -> bool:
    """Return whether the database already has a search index; opening one creates it."""
    if database.path is not None:
        from .sqlite.search.index_file import index_path

        return index_path(database.path).exists()
    return True


def open_index(database: Database) -> SearchIndex:
    """Return the search index of a database."""
    if database.location.sqlite:
        from .sqlite.database import SqliteDatabase
        from .sqlite.search.index import SqliteIndex

        return SqliteIndex(cast(SqliteDatabase, database))
    from .postgres.search.index import PostgresIndex

    return PostgresIndex(database)


def open_checkpointer(
    location: Location, *, connections: int = CONNECTIONS, health: StorageHealth | None = None
) -> "AbstractAsyncContextManager[Checkpointer]":
    """Open the checkpointer of a database, create its tables, and close it after the body.

    On SQLite it is a file beside the database, or in memory for an in-memory database. On PostgreSQL it is
    tables in the database, reached by at most `connections` connections. Later failures are recorded in
    `health`. Raises `StorageError` if it cannot be opened or is not a database.
    """
    health = health or StorageHealth()
    if location.sqlite:
        from .sqlite import checkpoints as sqlite_checkpoints

        return sqlite_checkpoints.open_saver(checkpoint_path(location.path), health)
    from .postgres import checkpoints as postgres_checkpoints

    return postgres_checkpoints.open_saver(location, connections, health)


@asynccontextmanager
async def open_locks(location: Location) -> AsyncGenerator[NameLocks]:
    """Return the locks shared by all processes of a database, for the body. Raises `StorageError`."""
    if location.sqlite:
        yield NoLocks()
        return
    from .postgres.leases import open_leases

    async with open_leases(location) as leases:
        yield leases
