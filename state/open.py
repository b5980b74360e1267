"""Open what is remembered: the only file that chooses between SQLite and PostgreSQL."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, cast

from .database import CONNECTIONS, Database
from .faults import storage_faults
from .location import Location, checkpoint_path, parse_location
from .search_index import SearchIndex
from .storage_health import StorageHealth
from .upgrade import HEAD, upgrade

if TYPE_CHECKING:
    from .checkpoints import Checkpointer
    from .leases import Leases


async def open_database(url: str, *, migrate: bool = True, connections: int = CONNECTIONS) -> Database:
    """Open the database at `url` and bring its tables up to date.

    Takes `sqlite:///relative.db`, `sqlite:////absolute.db`, `sqlite:///:memory:`, `sqlite://` and
    `postgresql://...`. The folder and file of SQLite are made when missing. With `migrate` false the tables
    are left as they are. `connections` bounds those to PostgreSQL. Raises `InvalidSetting` for other URLs,
    `MissingExtra` without PostgreSQL's driver, `StorageError` when it cannot be opened, written or
    understood.
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
    """Return the database and the revision of its tables, `None` when that is not known yet."""
    if not location.sqlite:
        from .postgres_database import PostgresDatabase

        with storage_faults(location.shown):
            return PostgresDatabase(url, location, connections), None
    from .sqlite import prepare_file
    from .sqlite_database import SqliteDatabase

    revision = None
    if location.path is not None:
        revision = await asyncio.to_thread(prepare_file, location.path)
    with storage_faults(location.shown):
        return SqliteDatabase(url, location), revision


def has_index(database: Database) -> bool:
    """Return whether the database has an index already; to open one makes it."""
    if database.path is not None:
        from .sqlite_search.index_file import index_path

        return index_path(database.path).exists()
    return True


def open_index(database: Database) -> SearchIndex:
    """Return the search index of a database."""
    if database.location.sqlite:
        from .sqlite_database import SqliteDatabase
        from .sqlite_search.index import SqliteIndex

        return SqliteIndex(cast(SqliteDatabase, database))
    from .postgres_search.index import PostgresIndex

    return PostgresIndex(database)


def open_checkpointer(
    location: Location, *, connections: int = CONNECTIONS, health: StorageHealth | None = None
) -> "AbstractAsyncContextManager[Checkpointer]":
    """Open the saver of a database, its tables made, and close it behind the body.

    SQLite's is a file beside the database, in memory for one in memory; PostgreSQL's are tables in it,
    reached by `connections` at most. What fails later is noted in `health`. Raises `StorageError` when it
    cannot be opened or is no database.
    """
    health = health or StorageHealth()
    if location.sqlite:
        from . import sqlite_checkpoints

        return sqlite_checkpoints.open_saver(checkpoint_path(location.path), health)
    from . import postgres_checkpoints

    return postgres_checkpoints.open_saver(location, connections, health)


@asynccontextmanager
async def open_leases(location: Location) -> "AsyncGenerator[Leases | None]":
    """Give the leases of PostgreSQL, open during the body; `None` for SQLite. Raises `StorageError`."""
    if location.sqlite:
        yield None
        return
    from .leases import Leases

    leases = Leases(location)
    try:
        await leases.open()
        yield leases
    finally:
        await leases.close()
