"""An SQLite database: one writer at a time, statements run in threads."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, suppress
from typing import TypeVar
from weakref import WeakSet

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import QueuePool

from ..database.database import Database, TrialRollback
from ..database.location import Location
from ..database.opened_in import OneLoopLock
from ..database.uninterrupted import unbroken
from ..tables.columns import encodable
from .connection import BEGIN, WRITE, set_up, truncate_log
from .quick_connection import QuickConnection, connect
from .trial_write import fill_pages

T = TypeVar("T")

_THREADS = 8


class SqliteDatabase(Database):
    """An open SQLite database, in a file or in memory."""

    def __init__(self, url: str, location: Location) -> None:
        """Create the engines for `location`; connections are opened on demand."""
        super().__init__(url, location)
        # A database in memory exists as long as one connection to it.
        self._memory = (
            sqlite3.connect(location.memory, uri=True, check_same_thread=False) if location.memory else None
        )
        self.engine: AsyncEngine = create_async_engine(
            location.engine_url, async_creator=self._connected, hide_parameters=True
        )
        self._connections = WeakSet[QuickConnection]()
        set_up(self.engine.sync_engine)
        self.blocking_engine = _blocking_engine(location)
        self._blocking_writer = self.blocking_engine.execution_options(**{BEGIN: WRITE})
        # Not the event loop's executor: slow tools of a caller may occupy all of its few threads.
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="voicegraph-database")
        self._writer = self.engine.execution_options(**{BEGIN: WRITE})
        # SQLite has one writer, and waiting ones poll: under load one may starve. This lock queues them.
        self._turn_to_write = OneLoopLock()

    def reading(self) -> AbstractAsyncContextManager[AsyncSession]:
        """Return a session for reading, see `Database`."""
        return self._transaction(self.engine)

    def writing(self) -> AbstractAsyncContextManager[AsyncSession]:
        """Return a session for writing, see `Database`."""
        return self._writing()

    def erasing(self) -> AbstractAsyncContextManager[AsyncSession]:
        """Return a session that overwrites what it deletes, as every session does, see `Database`."""
        return self.writing()

    async def in_thread(self, function: Callable[[], T]) -> T:
        """Call `function` in one of the database's own threads and return its result.

        Use it in an `unbroken` function: a thread cannot be cancelled.
        """
        self.opened_in.check()
        return await asyncio.get_running_loop().run_in_executor(self._threads, function)

    async def read(self, function: Callable[[Connection], T]) -> T:
        """Call `function` in a thread: an async session changes threads several times per statement."""

        def in_transaction() -> T:
            with self.faults(), self.blocking_engine.begin() as connection:
                return function(connection)

        return await self.in_thread(in_transaction)

    async def write(self, function: Callable[[Connection], T]) -> T:
        """Call `function` in a thread, as `read` does."""

        def in_transaction() -> T:
            with self.faults(), self._blocking_writer.begin() as connection:
                return function(connection)

        async with self._turn_to_write:
            return await self.in_thread(in_transaction)

    @unbroken
    async def try_write(self) -> None:
        """Write a large row, then roll back, see `Database`."""

        def attempt(connection: Connection) -> None:
            driver = connection.connection.driver_connection
            assert driver is not None
            fill_pages(driver, "INSERT INTO organizations (id, created_at) VALUES (?, '')")
            raise TrialRollback

        with suppress(TrialRollback):
            await self.write(attempt)

    def storable_text(self, text: str) -> str:
        """Return `text` as it will be read back."""
        return encodable(text)

    @unbroken
    async def truncate_log(self) -> int:
        """Truncate SQLite's write-ahead log, see `Database`."""

        def outside_transactions() -> int:
            with self.faults(), closing(self.blocking_engine.raw_connection()) as connection:
                assert connection.driver_connection is not None
                return truncate_log(connection.driver_connection)

        async with self._turn_to_write:
            return await self.in_thread(outside_transactions) if self.path is not None else 0

    async def _connected(self) -> QuickConnection:
        memory = self.location.memory
        connection = await connect(memory or str(self.path), uri=memory is not None)
        self._connections.add(connection)
        return connection

    @asynccontextmanager
    async def _writing(self) -> AsyncGenerator[AsyncSession]:
        async with self._turn_to_write, self._transaction(self._writer) as session:
            yield session

    @unbroken
    async def close(self) -> None:
        """Close all connections; closing again does nothing."""
        await self.engine.dispose()
        # The engine forgets connections whose task was cancelled in a statement, without waiting for its end.
        for connection in list(self._connections):
            await connection.end()
        # For the same reason a thread may still be reading for a cancelled task.
        await asyncio.to_thread(self._threads.shutdown)
        self.blocking_engine.dispose()
        if self._memory is not None:
            self._memory.close()


def _blocking_engine(location: Location) -> Engine:
    engine = create_engine(
        location.blocking_url,
        poolclass=QueuePool,
        connect_args={"isolation_level": None, "check_same_thread": False},
    )
    set_up(engine)
    return engine
