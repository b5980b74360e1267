"""Writes that are tried again while another process keeps an SQLite file locked."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ..errors import StorageError

T = TypeVar("T")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0


async def until_unlocked(write: Callable[[], Awaitable[T]], seconds: Callable[[], float]) -> T:
    """Return what `write` returns, which is called again while the database is busy.

    `seconds` gives how long that may take now. Raises `StorageError`.
    """
    clock = asyncio.get_running_loop().time
    began, pause = clock(), _FIRST_PAUSE
    while True:
        try:
            return await write()
        except StorageError as error:
            left = began + seconds() - clock()
            if not error.retryable or left <= 0:
                raise
        await asyncio.sleep(min(pause, left))
        pause = min(2 * pause, _LONGEST_PAUSE)
