"""The database: short transactions, and errors that say what to do."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy.orm import Session

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

    has_one_writer = False
    """True if a write waits for all others, as on SQLite."""

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
    def read(self, function: Callable[[Session], T]) -> Coroutine[Any, Any, T]:
        """Call `function` in a short transaction that only reads, and return its result.

        It sees one snapshot of the database. `function` must only use the session: on SQLite it runs in a
        thread, on PostgreSQL on the event loop, which its statements do not block. A cancelled call still
        runs to its end, see `unbroken`. Raises `DatabaseBusy` if no connection becomes free in time, and
        `StorageError` for every other database error except `IntegrityError`.
        """

    @abstractmethod
    def write(self, function: Callable[[Session], T]) -> Coroutine[Any, Any, T]:
        """Call `function` in a short transaction, which is committed at the end and rolled back on error.

        Returns the result of `function`, whose rows stay readable. Otherwise like `read`. SQLite overwrites
        the contents of deleted rows.
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
