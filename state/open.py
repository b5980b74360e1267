"""Open what is remembered: the only file that chooses between SQLite and PostgreSQL."""

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
    """Return whether the database has an index already; to open one makes it."""
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
    """Open the saver of a database, its tables made, and close it behind the body.

    SQLite's is a file beside the database, in memory for one in memory; PostgreSQL's are tables in it,
    reached by `connections` at most. What fails later is noted in `health`. Raises `StorageError` when it
    cannot be opened or is no database.
    """
    health = health or StorageHealth()
    if location.sqlite:
        from .sqlite import checkpoints as sqlite_checkpoints

        return sqlite_checkpoints.open_saver(checkpoint_path(location.path), health)
    from .postgres import checkpoints as postgres_checkpoints

    return postgres_checkpoints.open_saver(location, connections, health)


@asynccontextmanager
async def open_locks(location: Location) -> AsyncGenerator[NameLocks]:
    """Give the locks that all processes of a database see, in the body. Raises `StorageError`."""
    if location.sqlite:
        yield NoLocks()
        return
    from .postgres.leases import open_leases

    async with open_leases(location) as leases:
        yield leases
