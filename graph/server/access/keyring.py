"""The keys that were seen lately, so that a known one costs a turn no look at the database."""

import asyncio
import logging
import time
from collections.abc import Callable

from ....state.agents.actors import Actor
from ....state.agents.api_keys import KeysStamp, bearer, digest_of, keys_stamp
from ....state.database.database import Database
from ....state.errors import VoicegraphError

log = logging.getLogger(__name__)

LOOK_EVERY = 1.0
"""Seconds between two looks at whether any key was changed, by whatever process."""

TRUSTED_FOR = 3.0
"""Seconds after a look in which its answer counts; later, a request looks itself."""

_MOST = 10_000


class Keyring:
    """Who the bearer of a key is. A revoked key opens nothing `TRUSTED_FOR` seconds later at most."""

    def __init__(self, database: Database, now: Callable[[], float] = time.monotonic) -> None:
        """Ask `database`; `now` gives seconds."""
        self._database, self._now = database, now
        self._actors: dict[str, Actor] = {}
        self._stamp: KeysStamp | None = None
        self._looked_at = 0.0
        self._needed = False

    async def any_key(self) -> bool:
        """Return whether a key was ever made, also one that was revoked or went with its user.

        Once there was one, a server never goes back to serving without.
        """
        self._needed = self._needed or (await self._fresh()).total > 0
        return self._needed

    async def actor_of(self, secret: str) -> Actor | None:
        """Return who the secret belongs to, `None` when it opens nothing. Raises `StorageError`."""
        await self._fresh()
        digest = digest_of(secret)
        if (known := self._actors.get(digest)) is not None:
            return known
        stamp = self._stamp
        actor = await bearer(self._database, secret)
        # A key that was revoked while the database was asked must not come back by an old answer.
        if actor is not None and stamp == self._stamp and len(self._actors) < _MOST:
            self._actors[digest] = actor
        return actor

    async def look(self) -> KeysStamp:
        """Ask the database if any key was changed, and forget all answers if so. Raises `StorageError`."""
        began = self._now()
        stamp = await keys_stamp(self._database)
        if stamp != self._stamp:
            self._actors.clear()
        self._stamp, self._looked_at = stamp, began
        return stamp

    async def watch(self) -> None:
        """Look again and again until cancelled, so that no request has to."""
        while True:
            try:
                await self.look()
            except VoicegraphError as error:
                log.warning("the keys could not be checked", extra={"error": error.code})
            await asyncio.sleep(LOOK_EVERY)

    async def _fresh(self) -> KeysStamp:
        if self._stamp is None or self._now() - self._looked_at > TRUSTED_FOR:
            return await self.look()
        return self._stamp
