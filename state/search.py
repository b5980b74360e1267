"""What every search takes and gives: a checked wish, and hits in pages."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Literal, TypeVar

from .actors import Actor
from .columns import as_stored, encodable
from .embedder import Meaning
from .errors import AgentNotFound, InvalidInput
from .mixing import CANDIDATES, mixed
from .ownership import numbers_of
from .query_words import wanted
from .ranking import Found, Scope, best, listed, newest
from .vectors import alike

Order = Literal["best", "newest"]
T = TypeVar("T")

MOST_HITS = 100
"""Hits that a page has at most."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some hits, and the `offset` that gives the next ones (`None` when there are no more)."""

    hits: tuple[T, ...]
    next_offset: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A search as it was asked for."""

    query: str
    start: datetime | None
    end: datetime | None
    order: str
    limit: int
    offset: int
    meaning: Meaning | None = None

    @property
    def ranked(self) -> bool:
        """True when the answers come best first, not newest first."""
        return self.order == "best" and bool(wanted(self.query).words)

    def check(self) -> None:
        """Raise `InvalidInput` for what cannot be searched."""
        if self.order not in ("best", "newest"):
            raise InvalidInput(f"the order must be 'best' or 'newest', it is '{self.order[:40]}'")
        if not 1 <= self.limit <= MOST_HITS:
            raise InvalidInput(f"the limit must be between 1 and {MOST_HITS}, it is {self.limit}")
        if self.offset < 0:
            raise InvalidInput(f"the offset must not be negative, it is {self.offset}")
        for name, instant in (("start", self.start), ("end", self.end)):
            if instant is not None and instant.tzinfo is None:
                raise InvalidInput(f"the {name} of a search needs a time zone")

    def scope(self, table: str, agent: int) -> Scope:
        """Return the rows of an agent from `start` on and before `end`."""
        scope = Scope(table, *numbers_of(agent))
        if self.start is not None:
            scope.add("row.created_at >= ?", as_stored(self.start))
        if self.end is not None:
            scope.add("row.created_at < ?", as_stored(self.end))
        return scope


def owned_agent(connection: sqlite3.Connection, actor: Actor, agent_id: str) -> int:
    """Return the number of an agent of `actor`, or raise `AgentNotFound`."""
    row = connection.execute(
        "SELECT number FROM agents WHERE id = ? AND organization_id = ? AND user_id = ?",
        tuple(map(encodable, (agent_id, actor.organization_id, actor.user_id))),
    ).fetchone()
    if row is None:
        raise AgentNotFound(agent_id)
    return row[0]


def find(connection: sqlite3.Connection, wish: Wish, scope: Scope) -> Found:
    """Return the rows of a scope that answer the wish, and one more than its limit.

    An empty query asks for all, the newest first; one without letters and digits, such as an emoji, for the
    texts that hold it as it is.
    """
    query, limit, offset = wanted(wish.query), wish.limit + 1, wish.offset
    if wish.ranked and wish.meaning is not None:
        worded = best(connection, scope, query, max(CANDIDATES, offset + limit), 0)
        also = {number for number, _ in worded[:CANDIDATES]}
        return mixed(worded, alike(connection, scope, wish.meaning, CANDIDATES, also))[offset:][:limit]
    if wish.ranked:
        return best(connection, scope, query, limit, offset)
    if query.words:
        return newest(connection, scope, query.words, limit, offset)
    if sought := encodable(wish.query.strip()):
        scope.add("instr(row.text, ?) > 0", sought)
    return listed(connection, scope, limit, offset)


def page_of(wish: Wish, found: Found, hits: Sequence[T]) -> Page[T]:
    """Return the page of `hits`, which were made of the first ones of `found`."""
    return Page(tuple(hits), wish.offset + wish.limit if len(found) > wish.limit else None)
