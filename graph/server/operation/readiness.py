"""Check by a trial write, at most every few seconds, whether turns can be stored."""

import asyncio
import time
from collections.abc import Callable

from ....state.errors import StorageError
from ...resources import Resources

AFTER_A_FAILURE = 2.0
"""Seconds between two trials while something fails."""
EVERY = 10.0
"""Seconds between two trials while nothing fails."""


class WriteProbe:
    """Checks that the databases can be written; only readiness requests wait for it."""

    def __init__(self, resources: Resources, now: Callable[[], float] = time.monotonic) -> None:
        """Check the databases of `resources`; `now` returns seconds."""
        self._resources, self._now = resources, now
        self._tried_at = float("-inf")
        self._trying = asyncio.Lock()

    async def problem(self) -> StorageError | None:
        """Return the error that prevents storing turns, `None` if there is none.

        A failure in a turn counts until a trial has succeeded after it.
        """
        health = self._resources.store.database.health
        async with self._trying:
            wait = EVERY if health.error is None else AFTER_A_FAILURE
            if self._now() - self._tried_at >= wait:
                await self._try()
        return health.error

    async def _try(self) -> None:
        resources = self._resources
        database = resources.store.database
        try:
            await database.try_write()
            await resources.checkpointer.try_write()
        except StorageError as error:
            database.health.failed(error)
        else:
            database.health.recovered()
        self._tried_at = self._now()
