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
"""Connections to PostgreSQL that one process has open at most, unless it is told another number."""


class Undone(Exception):
    """Raised in a transaction to roll it back: its writes were only a trial."""


class Database(ABC):
    """An open database. Make one with `open_database`, end it with `close`."""

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
        """Give a session in a short transaction that sees one state of the database and writes nothing.

        Use it in an `unbroken` function: a cancelled statement leaves locks behind.
        """

    @abstractmethod
    def writing(self) -> AbstractAsyncContextManager[AsyncSession]:
        """Give a session in a short transaction that is committed at the end, or rolled back by an error.

        Use it in an `unbroken` function, as `reading`. Both raise `StorageError` for all errors of the
        database but `IntegrityError`, `DatabaseBusy` when no connection is free for a while.
        """

    @abstractmethod
    def erasing(self) -> AbstractAsyncContextManager[AsyncSession]:
        """Give a session as `writing` does; SQLite overwrites the words of rows that are deleted in it."""

    @abstractmethod
    async def read(self, function: Callable[[Connection], T]) -> T:
        """Return what `function` returns, called with a connection in a transaction to read.

        For what every turn waits for; see `write`. Use it in an `unbroken` function.
        """

    @abstractmethod
    async def write(self, function: Callable[[Connection], T]) -> T:
        """Return what `function` returns, called with a connection in a transaction to write.

        For what every turn does: an async session costs more than its statements do. Use it in an `unbroken`
        function; `function` must do nothing but use the connection.
        """

    @abstractmethod
    def try_write(self) -> Coroutine[Any, Any, None]:
        """Write about as much as a turn does, then roll it back. Raises `StorageError` when that fails."""

    @abstractmethod
    def kept(self, text: str) -> str:
        """Return `text` as it will be read back: with U+FFFD for what the database cannot hold."""

    @abstractmethod
    def empty_log(self) -> Coroutine[Any, Any, int]:
        """Bring SQLite's file up to date and empty its log, which holds what the file no longer does.

        Returns how many pages of the log stay: none, unless another program reads the file for long.
        PostgreSQL looks after itself.
        """

    @abstractmethod
    def close(self) -> Coroutine[Any, Any, None]:
        """Close all connections; the second time it does nothing."""

    def faults(self) -> AbstractContextManager[None]:
        """Turn errors of SQLAlchemy and its drivers into `StorageError`, and note them in `health`."""
        return storage_faults(self.location.shown, self.health.failed)

    @asynccontextmanager
    async def _transaction(self, engine: AsyncEngine) -> AsyncGenerator[AsyncSession, None]:
        self.opened_in.check()
        with self.faults():
            async with AsyncSession(engine, expire_on_commit=False) as session, session.begin():
                yield session
