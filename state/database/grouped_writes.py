"""Write rows of several callers in one transaction: a burst of calls costs a few instead of one each."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Generic, TypeVar

from sqlalchemy.exc import IntegrityError

Row = TypeVar("Row")
T = TypeVar("T")


class GroupedWrites(Generic[Row, T]):
    """Passes rows to `write`, which returns a result for each; later ones form the next group."""

    def __init__(self, write: Callable[[Sequence[Row]], Coroutine[Any, Any, Sequence[T]]]) -> None:
        self._write = write
        self._rows: list[Row] = []
        self._next: asyncio.Task[Sequence[T]] | None = None
        self._last: asyncio.Task[Sequence[T]] | None = None

    async def add(self, row: Row) -> T:
        """Write a row and return its result. Raises what `write` raises.

        If rows violate a constraint together, each is written alone, so that only the wrong one fails.
        """
        if self._next is None:
            self._last = self._next = asyncio.create_task(self._write_after(self._last))
        place, written = len(self._rows), self._next
        self._rows.append(row)
        try:
            return (await asyncio.shield(written))[place]
        except IntegrityError:
            return (await self._write([row]))[0]

    async def _write_after(self, last: asyncio.Task[Sequence[T]] | None) -> Sequence[T]:
        if last is not None:
            await asyncio.wait({last})
        rows, self._rows, self._next = self._rows, [], None
        return await self._write(rows)
