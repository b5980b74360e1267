"""An asyncio connection to SQLite with few thread switches.

Each switch costs more than most statements: aiosqlite makes four for a written row and six for a read one.
LangGraph's saver writes ten rows a turn, and SQLAlchemy's sessions read as many.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any, Self, cast

import aiosqlite
from aiosqlite.context import Result

from ..database.opened_in import OpenedIn
from ..database.shared_reads import SharedReads
from .trial_write import fill_pages

_LOOK_AGAIN = 0.001

Statement = tuple[str, Iterable[Any]]
"""SQL and its parameters."""


async def connect(path: str, *, uri: bool = False) -> "QuickConnection":
    """Open the database file, or the database of a URI. Raises `sqlite3.Error`."""
    # Without an isolation level each statement is its own transaction, unless one was begun.
    opening = partial(sqlite3.connect, path, isolation_level=None, uri=uri, factory=_Connection)
    return cast("QuickConnection", await QuickConnection(opening, 64))


class _Call(str):
    """A pseudo-statement that calls `function`; SQLite itself would refuse it."""

    function: Callable[[sqlite3.Connection], Any]


class _Answer:
    """The result of a call, in place of a cursor."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def fetchall(self) -> Any:
        """Return the result."""
        return self._value


class _Connection(sqlite3.Connection):
    """A connection that calls functions in the thread in which aiosqlite runs its statements."""

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        """Run a statement or a call."""
        if isinstance(sql, _Call):
            return _Answer(sql.function(self))
        return super().execute(sql, parameters)


class QuickConnection(aiosqlite.Connection):
    """A connection whose statements return their rows at once; a single statement needs no commit."""

    def __init__(self, connect: Callable[[], sqlite3.Connection], chunk_size: int) -> None:
        super().__init__(connect, chunk_size)
        self._thread.daemon = True  # A connection that was never closed does not keep the process alive.
        self._opened_in = OpenedIn()
        self.failed: Callable[[sqlite3.Error], object] = lambda _: None
        """Called with each error of a statement."""
        self._looks = SharedReads[int]()
        self.begins_late = False
        """True after a `BEGIN`, which runs together with the next statement; until then it has no effect."""
        self._was_left = False
        """True if the task of a statement was cancelled; the statement may still run in the thread."""

    def cursor(self) -> "Result[aiosqlite.Cursor]":
        """Return a cursor that is created when it is used."""

        async def made() -> aiosqlite.Cursor:
            return QuickCursor(self)

        return Result(made())

    def execute(self, sql: str, parameters: Iterable[Any] | None = None) -> "Result[aiosqlite.Cursor]":
        """Run a statement and fetch its rows."""
        return Result(QuickCursor(self).execute(sql, parameters))

    def executemany(self, sql: str, parameters: Iterable[Iterable[Any]]) -> "Result[aiosqlite.Cursor]":
        """Run a statement with each of the parameters, in one transaction."""
        return Result(QuickCursor(self).executemany(sql, parameters))

    async def commit(self) -> None:
        """Commit the transaction, if one was begun."""
        self.begins_late = False
        if self.in_transaction or self._was_left:
            self._was_left = False
            await super().commit()

    async def rollback(self) -> None:
        """Roll back the transaction, if one was begun."""
        self.begins_late = False
        if self.in_transaction or self._was_left:
            self._was_left = False
            await super().rollback()

    async def transaction(self, statements: Iterable[Statement]) -> None:
        """Run several statements in one transaction."""

        def run(connection: sqlite3.Connection) -> None:
            for sql, parameters in statements:
                connection.execute(sql, tuple(parameters))

        await self.together(run)

    async def together(self, function: Callable[[sqlite3.Connection], None]) -> None:
        """Call `function` with the connection in its thread, in one transaction."""
        await self.run(partial(_in_transaction, function))

    async def end(self) -> None:
        """Close the connection if it is open, and wait until its thread has ended."""
        with suppress(ValueError, sqlite3.Error):  # It may be closing already, without anyone waiting for it.
            await self.close()
        while self._thread.is_alive():  # noqa: ASYNC110 - A thread sets no event of asyncio.
            await asyncio.sleep(_LOOK_AGAIN)

    async def try_write(self, statement: str) -> None:
        """Run a statement with one large value, then roll back."""

        def attempt(connection: sqlite3.Connection) -> None:
            connection.execute("BEGIN IMMEDIATE")
            try:
                fill_pages(connection, statement)
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

        await self.run(attempt)

    async def others_writes(self) -> int:
        """Return a number that changes when another connection has written the file.

        It does not read the file. Calls made before the value is read share it.
        """

        async def look(begin: Callable[[], None]) -> int:
            def read(connection: sqlite3.Connection) -> int:
                begin()
                return connection.execute("PRAGMA data_version").fetchone()[0]

            return await self.run(read)

        return await self._looks.get("writes", look)

    async def run(self, function: Callable[[sqlite3.Connection], Any]) -> Any:
        """Call `function` with the connection in its thread and return its result."""
        self._opened_in.check()
        late, self.begins_late = self.begins_late, False
        call = _Call("a call")
        call.function = partial(_after_begin, function) if late else function
        try:
            return await self.execute_fetchall(call)
        except sqlite3.Error as error:
            self.failed(error)
            raise
        except asyncio.CancelledError:
            self._was_left = True
            raise


class QuickCursor(aiosqlite.Cursor):
    """A cursor over the rows of a statement, which were fetched when it ran."""

    def __init__(self, connection: QuickConnection) -> None:
        self._owner = connection
        self._rows: list[Any] = []
        self._outcome: tuple[Any, int, int | None] = (None, -1, None)

    @property
    def description(self) -> Any:
        """The columns of the rows, `None` if the statement returns none."""
        return self._outcome[0]

    @property
    def rowcount(self) -> int:
        """The number of rows that the statement wrote, -1 if it writes none."""
        return self._outcome[1]

    @property
    def lastrowid(self) -> int | None:
        """The row id of the last inserted row."""
        return self._outcome[2]

    async def execute(self, sql: str, parameters: Iterable[Any] | None = None) -> Self:
        """Run a statement and fetch all its rows."""
        if sql == "BEGIN":
            self._owner.begins_late = True
            return self

        def run(connection: sqlite3.Connection) -> tuple[list[Any], tuple[Any, int, int | None]]:
            cursor = connection.execute(sql, tuple(parameters or ()))
            rows = cursor.fetchall()
            outcome = cursor.description, cursor.rowcount, cursor.lastrowid
            cursor.close()  # Closed here: otherwise it may wait for the connection's next statement.
            return rows, outcome

        self._rows, self._outcome = await self._owner.run(run)
        return self

    async def executemany(self, sql: str, parameters: Iterable[Iterable[Any]]) -> Self:
        """Run a statement with each of the parameters, in one transaction."""
        rows = [tuple(row) for row in parameters]

        def run(connection: sqlite3.Connection) -> None:
            cursor = connection.executemany(sql, rows)
            self._outcome = None, cursor.rowcount, None
            cursor.close()

        await self._owner.run(partial(_in_transaction, run))
        return self

    async def fetchone(self) -> Any:
        """Return the next row, `None` at the end."""
        return self._rows.pop(0) if self._rows else None

    async def fetchall(self) -> list[Any]:
        """Return all rows that were not fetched yet."""
        rows, self._rows = self._rows, []
        return rows

    async def __aiter__(self) -> AsyncIterator[Any]:
        """Yield all rows that were not fetched yet."""
        while self._rows:
            yield self._rows.pop(0)

    async def close(self) -> None:
        """Discard the rows."""
        self._rows = []


def _after_begin(function: Callable[[sqlite3.Connection], Any], connection: sqlite3.Connection) -> Any:
    connection.execute("BEGIN")
    return function(connection)


def _in_transaction(function: Callable[[sqlite3.Connection], None], connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        function(connection)
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        function(connection)
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
