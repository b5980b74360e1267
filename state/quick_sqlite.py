"""SQLite behind asyncio with few changes of thread.

Each of them costs more than most statements do: aiosqlite makes four for a row that is written and six for
one that is read, and LangGraph's saver writes ten rows a turn.
"""

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable
from functools import partial
from typing import Any, Self, cast

import aiosqlite
from aiosqlite.context import Result

from .opened_in import OpenedIn
from .shared_answers import SharedAnswers
from .trial_write import fill_pages

Statement = tuple[str, Iterable[Any]]
"""SQL and its parameters."""


async def connect(path: str) -> "QuickConnection":
    """Open the database file; `sqlite3.Error` when that cannot be."""
    # Without an isolation level each statement is a transaction of its own, unless one is begun.
    opening = partial(sqlite3.connect, path, isolation_level=None, factory=_Connection)
    return cast("QuickConnection", await QuickConnection(opening, 64))


class _Call(str):
    """A statement that stands for a call of `function`; SQLite itself would refuse it."""

    function: Callable[[sqlite3.Connection], Any]


class _Answer:
    """What a call returned, in place of a cursor."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def fetchall(self) -> Any:
        """Return it."""
        return self._value


class _Connection(sqlite3.Connection):
    """A connection that calls functions in the thread in which aiosqlite runs its statements."""

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        """Run a statement or a call."""
        if isinstance(sql, _Call):
            return _Answer(sql.function(self))
        return super().execute(sql, parameters)


class QuickConnection(aiosqlite.Connection):
    """A connection whose statements take their rows along; a statement alone needs no commit."""

    def __init__(self, connect: Callable[[], sqlite3.Connection], chunk_size: int) -> None:
        super().__init__(connect, chunk_size)
        self._opened_in = OpenedIn()
        self.failed: Callable[[sqlite3.Error], object] = lambda _: None
        """Called with each error of a statement."""
        self._looks = SharedAnswers[int]()

    def cursor(self) -> "Result[aiosqlite.Cursor]":
        """Return a cursor that is made when it is used."""

        async def made() -> aiosqlite.Cursor:
            return QuickCursor(self)

        return Result(made())

    def execute(self, sql: str, parameters: Iterable[Any] | None = None) -> "Result[aiosqlite.Cursor]":
        """Run a statement and take its rows along."""
        return Result(QuickCursor(self).execute(sql, parameters))

    def executemany(self, sql: str, parameters: Iterable[Iterable[Any]]) -> "Result[aiosqlite.Cursor]":
        """Run a statement with each of the parameters, in one transaction."""
        return Result(QuickCursor(self).executemany(sql, parameters))

    async def commit(self) -> None:
        """Commit the transaction, if one was begun."""
        if self.in_transaction:
            await super().commit()

    async def transaction(self, statements: Iterable[Statement]) -> None:
        """Run several statements in one transaction."""

        def run(connection: sqlite3.Connection) -> None:
            for sql, parameters in statements:
                connection.execute(sql, tuple(parameters))

        await self.run(partial(_in_transaction, run))

    async def try_write(self, statement: str) -> None:
        """Run a statement with one large value, then roll it back."""

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

        It costs no look into the file. Those who ask before it is looked up share the answer.
        """

        async def look(begin: Callable[[], None]) -> int:
            def read(connection: sqlite3.Connection) -> int:
                begin()
                return connection.execute("PRAGMA data_version").fetchone()[0]

            return await self.run(read)

        return await self._looks.ask("writes", look)

    async def run(self, function: Callable[[sqlite3.Connection], Any]) -> Any:
        """Return what `function` returns, called with the connection in its thread."""
        self._opened_in.check()
        call = _Call("a call")
        call.function = function
        try:
            return await self.execute_fetchall(call)
        except sqlite3.Error as error:
            self.failed(error)
            raise


class QuickCursor(aiosqlite.Cursor):
    """The rows of a statement, fetched as it ran."""

    def __init__(self, connection: QuickConnection) -> None:
        self._owner = connection
        self._rows: list[Any] = []

    async def execute(self, sql: str, parameters: Iterable[Any] | None = None) -> Self:
        """Run a statement and fetch all its rows."""

        def run(connection: sqlite3.Connection) -> list[Any]:
            return connection.execute(sql, tuple(parameters or ())).fetchall()

        self._rows = await self._owner.run(run)
        return self

    async def executemany(self, sql: str, parameters: Iterable[Iterable[Any]]) -> Self:
        """Run a statement with each of the parameters, in one transaction."""
        rows = [tuple(row) for row in parameters]

        def run(connection: sqlite3.Connection) -> None:
            connection.executemany(sql, rows)

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
        """Forget the rows."""
        self._rows = []


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
