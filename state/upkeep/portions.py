"""Cut what is written or read into portions, so that none of them takes long."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from ..database.database import Database

T = TypeVar("T")

MOST_ROWS = 500
"""Rows of a portion, at most. A row of much text counts as several."""

_CHARACTERS = 2_000
"""Text that counts as one more row: a portion holds at most about a million characters."""

_PAUSE = 0.5
"""How long is rested after a transaction, in times of what it took.

Another process that waits for SQLite's write lock only looks now and then whether it is free.
"""


async def rest(database: Database, began: float) -> None:
    """Let others write after a transaction that began at this monotonic time, where one has to wait."""
    if database.path is not None:
        await asyncio.sleep(_PAUSE * (time.monotonic() - began))


def weight(*texts: str | None) -> int:
    """Return as how many rows a row with these texts counts."""
    return 1 + sum(len(text) for text in texts if text is not None) // _CHARACTERS


def one(_: object) -> int:
    """Return the weight of a row without much text."""
    return 1


def portions(things: Iterable[T], weight_of: Callable[[T], int] = one) -> Iterator[list[T]]:
    """Yield the things in their order, cut before `MOST_ROWS` is exceeded.

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
