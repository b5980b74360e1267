"""A connection to an SQLite file that runs functions in a thread of its own, one at a time.

A change of threads costs more than most statements, so a function runs all statements that belong together.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from ..database.database import TrialRollback
from ..database.opened_in import OpenedIn
from ..database.shared_reads import SharedReads
from ..database.uninterrupted import ended, unbroken
from .trial_write import fill_pages

T = TypeVar("T")


class FileConnection:
    """A connection in autocommit mode: a statement outside `write` is its own transaction."""

    def __init__(self, path: str) -> None:
        """Connect to the file at `path` with the first call."""
        self.failed: Callable[[sqlite3.Error], object] = lambda _: None
        """Called in the thread with each error of a function."""
        self._path = path
        self._opened_in = OpenedIn()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="voicegraph-checkpoints")
        self._connection: sqlite3.Connection | None = None
        self._data_versions = SharedReads[int]()

    async def run(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Call `function` with the connection in its thread and return its result.

        A cancelled call still runs to its end. Raises `sqlite3.Error`.
        """
        self._opened_in.check()
        return await ended(asyncio.get_running_loop().run_in_executor(self._thread, self._call, function))

    async def write(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Do `run` in one transaction, which is rolled back on error."""
        return await self.run(lambda connection: _in_transaction(function, connection))

    async def execute(self, sql: str, given: Sequence[Any] = ()) -> list[Any]:
        """Run a statement and return its rows."""
        return await self.run(lambda connection: connection.execute(sql, given).fetchall())

    async def try_write(self, statement: str) -> None:
        """Run a statement with one large value, then roll back."""

        def attempt(connection: sqlite3.Connection) -> None:
            fill_pages(connection, statement)
            raise TrialRollback

        with suppress(TrialRollback):
            await self.write(attempt)

    async def data_version(self) -> int:
        """Return a number that changes when another connection has written the file.

        It does not read the file. Calls made before the value is read share it.
        """

        async def look(begin: Callable[[], None]) -> int:
            def read(connection: sqlite3.Connection) -> int:
                begin()
                return connection.execute("PRAGMA data_version").fetchone()[0]

            return await self.run(read)

        return await self._data_versions.get("version", look)

    @unbroken
    async def close(self) -> None:
        """Close the connection and end its thread; closing again does nothing."""
        await asyncio.to_thread(self._thread.shutdown)
        if self._connection is not None:
            self._connection.close()

    def _call(self, function: Callable[[sqlite3.Connection], T]) -> T:
        try:
            if self._connection is None:
                # Closed in another thread, after this one has ended.
                self._connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            return function(self._connection)
        except sqlite3.Error as error:
            self.failed(error)
            raise


def _in_transaction(function: Callable[[sqlite3.Connection], T], connection: sqlite3.Connection) -> T:
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = function(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # Some errors, such as a full disk, have rolled back already.
            connection.execute("ROLLBACK")
        raise
    return result
