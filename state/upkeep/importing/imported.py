"""A running import: its actor, what it added, and its transactions."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import chain, count
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from ...agents.actors import Actor
from ...agents.ownership import owned_by
from ...database.database import Database
from ...tables.tables import AgentRow
from ..portions import rest
from .staged_rows import LeftOver, remove

T = TypeVar("T")


@dataclass(slots=True)
class Imported:
    """What an import added, and which objects it renamed because their name was taken."""

    added: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("agents", "blocks", "threads", "messages", "passages"), 0)
    )
    renamed: dict[str, str] = field(default_factory=dict[str, str])
    """New names of agents and ids of threads, by old ones."""

    def rename(self, old: str, new: str) -> None:
        """Record that `old` is called `new`, if they differ."""
        if old != new:
            self.renamed[old] = new


@dataclass(slots=True)
class Import:
    """An import for `actor`; `done` is its progress."""

    database: Database
    actor: Actor
    done: Imported = field(default_factory=Imported)
    staged: bool = False
    """True once something was staged, because it did not fit into one transaction."""
    _taken: set[str] | None = None

    async def write(self, function: Callable[[Session], T]) -> T:
        """Call `function` in a write transaction and return its result.

        If it raises `LeftOver` for rows of an interrupted import, these are removed and it is called again,
        so it must look for them before it does anything else.
        """
        began = time.monotonic()
        written = await self._retried(lambda: self.database.write(function))
        await rest(self.database, began)
        return written

    async def read(self, function: Callable[[Session], T]) -> T:
        """Call `function` in a read transaction and return its result, with the retries of `write`."""
        return await self._retried(lambda: self.database.read(function))

    def count(self, **added: int) -> None:
        """Add to the numbers of added objects."""
        for what, number in added.items():
            self.done.added[what] += number

    def free_name(self, session: Session, name: str) -> str:
        """Return a free name for a new agent, with a number appended if the name is taken."""
        if self._taken is None:
            mine = select(AgentRow.name).where(owned_by(self.actor, AgentRow))
            self._taken = set(session.scalars(mine))
        numbered = (f"{name[:190]}-{number}" for number in count(2))
        free = next(free for free in chain([name], numbered) if free not in self._taken)
        self._taken.add(free)
        self.done.rename(name, free)
        return free

    async def _retried(self, transaction: Callable[[], Awaitable[T]]) -> T:
        while True:
            try:
                return await transaction()
            except LeftOver as left_over:
                await remove(self.database, left_over.table, left_over.ids)
