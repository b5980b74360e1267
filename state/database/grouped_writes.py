"""Write rows of several callers in one transaction: a burst of calls costs a few instead of one each."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from .database import Database
from .uninterrupted import ended

Row = TypeVar("Row")
T = TypeVar("T")


class GroupedWrites(Generic[Row, T]):
    """Calls `write` for each row. Rows that come during a transaction share the next one.

    Only where the database has one writer, for which they would wait in any case: elsewhere a row that waits
    for a lock would hold up the rows of others.
    """

    def __init__(self, database: Database, write: Callable[[Connection, Row], T]) -> None:
        self._database, self._write = database, write
        self._rows: list[Row] = []
        self._next: asyncio.Task[Sequence[T]] | None = None
        self._last: asyncio.Task[Sequence[T]] | None = None

    async def add(self, row: Row) -> T:
        """Write a row and return its result; a cancelled call still writes it.

        A row that violates a constraint fails alone. Raises what `Database.write` raises.
        """
        if not self._database.has_one_writer:
            return (await self._write_all([row]))[0]
        if self._next is None:
            self._last = self._next = asyncio.create_task(self._write_after(self._last))
        place, written = len(self._rows), self._next
        self._rows.append(row)
        try:
            return (await ended(written))[place]
        except IntegrityError:
            return (await self._write_all([row]))[0]

    async def _write_after(self, last: asyncio.Task[Sequence[T]] | None) -> Sequence[T]:
        try:
            if last is not None:
                await asyncio.wait({last})
        finally:
            rows, self._rows, self._next = self._rows, [], None
        return await self._write_all(rows)

    async def _write_all(self, rows: Sequence[Row]) -> Sequence[T]:
        return await self._database.write(
            lambda session: [self._write(session.connection(), row) for row in rows]
        )
