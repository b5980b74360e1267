"""Writes that hold out while the database is away, and stop when the thread has gone to another process."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ..backoff import backoff
from ..errors import StorageError
from .lease import Lease

T = TypeVar("T")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0


class Patience:
    """Carries out the writes of the turn that holds `lease`; `seconds` tells how long they may take now."""

    def __init__(self, lease: Lease, seconds: Callable[[], float]) -> None:
        self.lease, self._seconds = lease, seconds

    async def write(self, write: Callable[[], Awaitable[T]]) -> T:
        """Return what `write` returns, which is called again while the server is away.

        It may have been carried out already when it is. Raises `ThreadLost`, and `StorageError` when the
        patience has an end or patience is no use.
        """
        began = asyncio.get_running_loop().time()
        pauses = backoff(_FIRST_PAUSE, _LONGEST_PAUSE)
        while True:
            left = max(0.0, began + self._seconds() - asyncio.get_running_loop().time())
            try:
                await self.lease.held(min(left, _LONGEST_PAUSE))
                return await write()
            except StorageError as error:
                if not error.retryable or not left:
                    raise
            await asyncio.sleep(min(next(pauses), left))
