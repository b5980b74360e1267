"""The database: short transactions, and errors that say what to do."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from .faults import storage_faults
from .location import Location
from .opened_in import OpenedIn
from .storage_health import StorageHealth

T = TypeVar("T")

CONNECTIONS = 10
"""Default maximum number of PostgreSQL connections of one process."""


class TrialRollback(Exception):
    """Raised inside a transaction to roll back a trial write."""


class Database(ABC):
    """An open database. Open one with `open_database`, close it with `close`."""

    engine: AsyncEngine

    def __init__(self, url: str, location: Location) -> None:
        self.url = url
        self.location = location
        self.opened_in = OpenedIn()
        self.health = StorageHealth()

    @property
    def path(self) -> Path | None:
        """The file of an SQLite database, `None` for others."""
        return self.location.path

    @abstractmethod
    def reading(self) -> AbstractAsyncContextManager[AsyncSession]:
        """Return a session in a short read-only transaction that sees one snapshot of the database.

        Use it in an `unbroken` function: a cancelled statement leaves locks behind.
        """

    @abstractmethod
    def writing(self) -> AbstractAsyncContextManager[AsyncSession]:
        """Return a session in a short transaction that is committed at the end and rolled back on error.

        Use it in an `unbroken` function, like `reading`. Both raise `DatabaseBusy` when no connection becomes
        free in time, and `StorageError` for every other database error except `IntegrityError`.
        """

    @abstractmethod
    def erasing(self) -> AbstractAsyncContextManager[AsyncSession]:
        """Return a session as `writing` does; SQLite overwrites the contents of rows deleted in it."""

    @abstractmethod
    async def read(self, function: Callable[[Connection], T]) -> T:
        """Call `function` with a connection in a read transaction and return its result.

        For reads that every turn waits for, see `write`. Use it in an `unbroken` function.
        """

    @abstractmethod
    async def write(self, function: Callable[[Connection], T]) -> T:
        """Call `function` with a connection in a write transaction and return its result.

        For writes of every turn: an async session costs more than its statements. Use it in an `unbroken`
        function; `function` must only use the connection.
        """

    @abstractmethod
    def try_write(self) -> Coroutine[Any, Any, None]:
        """Write about as much as a turn does, then roll back. Raises `StorageError` on failure."""

    @abstractmethod
    def storable_text(self, text: str) -> str:
        """Return `text` as it will be read back: U+FFFD replaces what the database cannot store."""

    @abstractmethod
    def truncate_log(self) -> Coroutine[Any, Any, int]:
        """Move SQLite's write-ahead log into the database file and truncate it; it may hold erased data.

        Returns the number of pages left in the log: 0, unless another program is reading the file for a long
        time. Does nothing on PostgreSQL.
        """

    @abstractmethod
    def close(self) -> Coroutine[Any, Any, None]:
        """Close all connections; closing again does nothing."""

    def faults(self) -> AbstractContextManager[None]:
        """Turn errors of SQLAlchemy and its drivers into `StorageError`, and record them in `health`."""
        return storage_faults(self.location.shown, self.health.failed)

    @asynccontextmanager
    async def _transaction(self, engine: AsyncEngine) -> AsyncGenerator[AsyncSession, None]:
        self.opened_in.check()
        with self.faults():
            async with AsyncSession(engine, expire_on_commit=False) as session, session.begin():
                yield session
