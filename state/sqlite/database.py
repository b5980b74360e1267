"""An SQLite database: one writer at a time, transactions run in threads."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import TypeVar

from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import QueuePool

from ..database.database import Database, TrialRollback
from ..database.location import Location
from ..database.opened_in import OneLoopLock
from ..database.uninterrupted import ended, unbroken
from ..tables.columns import encodable
from .connection import BEGIN, WRITE, set_up, truncate_log
from .trial_write import fill_pages

T = TypeVar("T")

_THREADS = 8


class SqliteDatabase(Database):
    """An open SQLite database, in a file or in memory."""

    has_one_writer = True

    def __init__(self, url: str, location: Location) -> None:
        """Create the engine for `location`; connections are opened on demand."""
        super().__init__(url, location)
        # A database in memory exists as long as one connection to it.
        self._memory = (
            sqlite3.connect(location.memory, uri=True, check_same_thread=False) if location.memory else None
        )
        self.engine = _engine(location)
        self._writer = self.engine.execution_options(**{BEGIN: WRITE})
        # Not the event loop's executor: slow tools of a caller may occupy all of its few threads.
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="voicegraph-database")
        # SQLite has one writer, and waiting ones poll: under load one may starve. This lock queues them.
        self._turn_to_write = OneLoopLock()

    async def read(self, function: Callable[[Session], T]) -> T:
        """Call `function` in a thread, see `Database`."""
        return await self.in_thread(lambda: self._call(self.engine, function))

    @unbroken
    async def write(self, function: Callable[[Session], T]) -> T:
        """Call `function` in a thread, see `Database`."""
        async with self._turn_to_write:
            return await self.in_thread(lambda: self._call(self._writer, function))

    async def in_thread(self, function: Callable[[], T]) -> T:
        """Call `function` in one of the database's own threads, to its end, and return its result."""
        self.opened_in.check()
        return await ended(asyncio.get_running_loop().run_in_executor(self._threads, function))

    async def try_write(self) -> None:
        """Write a large row, then roll back, see `Database`."""

        def attempt(session: Session) -> None:
            driver = session.connection().connection.driver_connection
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
            with self.faults(), closing(self.engine.raw_connection()) as connection:
                assert connection.driver_connection is not None
                return truncate_log(connection.driver_connection)

        async with self._turn_to_write:
            return await self.in_thread(outside_transactions) if self.path is not None else 0

    def _call(self, engine: Engine, function: Callable[[Session], T]) -> T:
        with self.faults(), Session(engine, expire_on_commit=False) as session, session.begin():
            return function(session)

    @unbroken
    async def close(self) -> None:
        """Close all connections; closing again does nothing."""
        # A thread may still run a transaction: its task was cancelled, or the event loop has ended.
        await asyncio.to_thread(self._threads.shutdown)
        self.engine.dispose()
        if self._memory is not None:
            self._memory.close()


def _engine(location: Location) -> Engine:
    engine = create_engine(
        location.engine_url,
        poolclass=QueuePool,
        connect_args={"isolation_level": None, "check_same_thread": False},
        hide_parameters=True,
    )
    set_up(engine)
    return engine
