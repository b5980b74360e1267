"""An import that is going on: for whom, what it added, and its transactions."""

import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from itertools import chain, count
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ...agents.actors import Actor
from ...agents.ownership import owned_by
from ...database.database import Database
from ...tables.tables import AgentRow
from ..portions import rest
from .staged_rows import LeftOver, remove

T = TypeVar("T")


@dataclass(slots=True)
class Imported:
    """What an import added, and what is called otherwise than in the file because its name was taken."""

    added: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("agents", "blocks", "threads", "messages", "passages"), 0)
    )
    renamed: dict[str, str] = field(default_factory=dict[str, str])
    """New names of agents and ids of threads by the old ones."""

    def rename(self, old: str, new: str) -> None:
        """Note that `old` is called `new`, if it is."""
        if old != new:
            self.renamed[old] = new


@dataclass(slots=True)
class Import:
    """An import for `actor`, with what it has `done`."""

    database: Database
    actor: Actor
    done: Imported = field(default_factory=Imported)
    staged: bool = False
    """True once something was staged: it did not fit into one transaction."""
    _taken: set[str] | None = None

    async def write(self, function: Callable[[AsyncSession], Awaitable[T]]) -> T:
        """Return what `function` returns, called in a transaction to write.

        It is called again when it finds rows of an import that was broken off, after these were removed: it
        must look for them before it does anything else.
        """
        began = time.monotonic()
        written = await self._call(self.database.writing, function)
        await rest(self.database, began)
        return written

    async def read(self, function: Callable[[AsyncSession], Awaitable[T]]) -> T:
        """Return what `function` returns, called as by `write` in a transaction to read."""
        return await self._call(self.database.reading, function)

    def count(self, **added: int) -> None:
        """Note how many were added."""
        for what, number in added.items():
            self.done.added[what] += number

    async def free_name(self, session: AsyncSession, name: str) -> str:
        """Return the name of a new agent, with a number after it where the user has one of that name."""
        if self._taken is None:
            mine = select(AgentRow.name).where(owned_by(self.actor, AgentRow))
            self._taken = set(await session.scalars(mine))
        numbered = (f"{name[:190]}-{number}" for number in count(2))
        free = next(free for free in chain([name], numbered) if free not in self._taken)
        self._taken.add(free)
        self.done.rename(name, free)
        return free

    async def _call(
        self,
        transaction: Callable[[], AbstractAsyncContextManager[AsyncSession]],
        function: Callable[[AsyncSession], Awaitable[T]],
    ) -> T:
        while True:
            try:
                async with transaction() as session:
                    return await function(session)
            except LeftOver as left_over:
                await remove(self.database, left_over.table, left_over.ids)
