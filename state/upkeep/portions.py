"""Cut work into portions, so that no transaction takes long."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from ..database.database import Database

T = TypeVar("T")

MOST_ROWS = 500
"""Maximum number of rows of a portion. A row with much text counts as several."""

_CHARACTERS = 2_000
"""Characters that count as one more row: a portion has at most about a million characters."""

_PAUSE = 0.5
"""Pause after a transaction, as a multiple of its duration.

Another process that waits for SQLite's write lock only polls it.
"""


async def rest(database: Database, began: float) -> None:
    """Pause after a transaction that began at this monotonic time, to let others write (SQLite only)."""
    if database.path is not None:
        await asyncio.sleep(_PAUSE * (time.monotonic() - began))


def weight(*texts: str | None) -> int:
    """Return the number of rows that a row with these texts counts as."""
    return 1 + sum(len(text) for text in texts if text is not None) // _CHARACTERS


def one(_: object) -> int:
    """Return the weight of a row without much text."""
    return 1


def portions(things: Iterable[T], weight_of: Callable[[T], int] = one) -> Iterator[list[T]]:
    """Yield the things in order, in portions of at most `MOST_ROWS`.

    A thing that weighs more by itself is a portion of its own.
    """
    some: list[T] = []
    total = 0
    for thing in things:
        more = weight_of(thing)
        if some and total + more > MOST_ROWS:
            yield some
            some, total = [], 0
        some.append(thing)
        total += more
    if some:
        yield some
