"""The database: one engine, short transactions, errors that say what to do."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import QueuePool

from .faults import storage_faults
from .location import Location, parse_location
from .sqlite import BEGIN, ERASE, WRITE, prepare_file, set_up
from .unbroken import unbroken
from .upgrade import HEAD, upgrade

T = TypeVar("T")

_THREADS = 8


class Database:
    """An open database. Make one with `open_database`, end it with `close`."""

    def __init__(self, url: str, location: Location) -> None:
        """Open the engine of `location`; connections are made when they are needed."""
        self.url = url
        self.location = location
        # A database in memory lives as long as one connection to it.
        self._memory = (
            sqlite3.connect(location.memory, uri=True, check_same_thread=False) if location.memory else None
        )
        if location.sqlite:
            self.engine: AsyncEngine = create_async_engine(
                location.engine_url, connect_args={"isolation_level": None}, hide_parameters=True
            )
            set_up(self.engine.sync_engine)
        else:
            self.engine = create_async_engine(location.engine_url, pool_pre_ping=True, hide_parameters=True)
        self.blocking_engine = _blocking_engine(location)
        self._blocking_writer = self.blocking_engine.execution_options(**{BEGIN: WRITE})
        # Not the event loop's: slow tools of a caller may hold all of its few threads.
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="voicegraph-database")
        self._writer = self.engine.execution_options(**{BEGIN: WRITE})
        self._eraser = self.engine.execution_options(**{BEGIN: ERASE})
        # SQLite has one writer, and those who wait for it poll: under load one may starve. Here they queue.
        self._turn_to_write = asyncio.Lock() if location.sqlite else nullcontext()

    @property
    def path(self) -> Path | None:
        """The file of an SQLite database, `None` for others."""
        return self.location.path

    def reading(self) -> AbstractAsyncContextManager[AsyncSession]:
        """Give a session in a short transaction that sees one state of the database and writes nothing.

        Use it in an `unbroken` function: a cancelled statement leaves locks behind.
        """
        return self._transaction(self.engine)

    def writing(self) -> AbstractAsyncContextManager[AsyncSession]:
        """Give a session in a short transaction that is committed at the end, or rolled back by an error.

        Use it in an `unbroken` function, as `reading`. Both raise `StorageError` for all errors of the
        database but `IntegrityError`.
        """
        return self._writing(self._writer)

    async def in_thread(self, function: Callable[[], T]) -> T:
        """Return what `function` returns, called in one of the database's own threads.

        Use it in an `unbroken` function: a thread cannot be broken off.
        """
        return await asyncio.get_running_loop().run_in_executor(self._threads, function)

    async def read(self, function: Callable[[Connection], T]) -> T:
        """Return what `function` returns, called in a thread with a connection in a transaction to read.

        For what every turn waits for; see `write`. Use it in an `unbroken` function.
        """

        def in_transaction() -> T:
            with storage_faults(self.location.shown), self.blocking_engine.begin() as connection:
                return function(connection)

        return await self.in_thread(in_transaction)

    async def write(self, function: Callable[[Connection], T]) -> T:
        """Return what `function` returns, called in a thread with a connection in a transaction to write.

        For what every turn does: an async session sends each of its statements to a thread and back several
        times, which takes longer than the statements do. Use it in an `unbroken` function.
        """

        def in_transaction() -> T:
            with storage_faults(self.location.shown), self._blocking_writer.begin() as connection:
                return function(connection)

        async with self._turn_to_write:
            return await self.in_thread(in_transaction)

    def erasing(self) -> AbstractAsyncContextManager[AsyncSession]:
        """Give a session as `writing` does; SQLite overwrites the words of rows that are deleted in it."""
        return self._writing(self._eraser)

    @unbroken
    async def empty_log(self) -> None:
        """Bring SQLite's file up to date and empty its log, which holds what the file no longer does.

        Does what it can while others read. PostgreSQL looks after itself.
        """
        if self.path is None:
            return
        outside_transactions = self.engine.execution_options(**{BEGIN: ()})
        with storage_faults(self.location.shown):
            async with self._turn_to_write, outside_transactions.connect() as connection:
                await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    @asynccontextmanager
    async def _writing(self, engine: AsyncEngine) -> AsyncGenerator[AsyncSession]:
        async with self._turn_to_write, self._transaction(engine) as session:
            yield session

    @asynccontextmanager
    async def _transaction(self, engine: AsyncEngine) -> AsyncGenerator[AsyncSession, None]:
        with storage_faults(self.location.shown):
            async with AsyncSession(engine, expire_on_commit=False) as session, session.begin():
                yield session

    @unbroken
    async def close(self) -> None:
        """Close all connections; the second time it does nothing."""
        await self.engine.dispose()
        self.blocking_engine.dispose()
        self._threads.shutdown(wait=False)
        if self._memory is not None:
            self._memory.close()


def _blocking_engine(location: Location) -> Engine:
    if not location.sqlite:
        return create_engine(location.blocking_url, pool_pre_ping=True)
    engine = create_engine(
        location.blocking_url,
        poolclass=QueuePool,
        connect_args={"isolation_level": None, "check_same_thread": False},
    )
    set_up(engine)
    return engine


async def open_database(url: str, *, migrate: bool = True) -> Database:
    """Open the database at `url` and bring its tables up to date.

    Takes `sqlite:///relative.db`, `sqlite:////absolute.db`, `sqlite:///:memory:`, `sqlite://` and
    `postgresql://...`. The folder and file of SQLite are made when missing. With `migrate` false the tables
    are left as they are. Raises `InvalidSetting` for other URLs, `MissingExtra` without PostgreSQL's driver,
    `StorageError` when it cannot be opened, written or understood.
    """
    location = parse_location(url)
    revision = None
    if location.path is not None:
        revision = await asyncio.to_thread(prepare_file, location.path)
    with storage_faults(location.shown):
        database = Database(url, location)
    if migrate and revision != HEAD:
        try:
            await upgrade(database)
        except BaseException:
            await database.close()
            raise
    return database
