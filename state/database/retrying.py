"""Retry writes while another process has an SQLite file locked."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ..backoff import backoff
from ..errors import StorageError

T = TypeVar("T")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0


async def retry_while_locked(write: Callable[[], Awaitable[T]], seconds: Callable[[], float]) -> T:
    """Call `write` until it succeeds and return its result; retry while the database is busy.

    `seconds` returns the current limit for the whole call. Raises `StorageError`.
    """
    clock = asyncio.get_running_loop().time
    began, pauses = clock(), backoff(_FIRST_PAUSE, _LONGEST_PAUSE)
    while True:
        try:
            return await write()
        except StorageError as error:
            left = began + seconds() - clock()
            if not error.retryable or left <= 0:
                raise
        await asyncio.sleep(min(next(pauses), left))
