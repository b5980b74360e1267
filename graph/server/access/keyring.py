"""A cache of recently used keys, so that a known key costs a turn no database query."""

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
"""Seconds between two checks for keys changed by any process."""

TRUSTED_FOR = 3.0
"""Seconds for which a check is valid; after that, a request checks itself."""

_MOST = 10_000


class Keyring:
    """Resolves keys to actors. A revoked key is refused after at most `TRUSTED_FOR` seconds."""

    def __init__(self, database: Database, now: Callable[[], float] = time.monotonic) -> None:
        """Query `database`; `now` returns seconds."""
        self._database, self._now = database, now
        self._actors: dict[str, Actor] = {}
        self._stamp: KeysStamp | None = None
        self._looked_at = 0.0
        self._needed = False

    async def any_key(self) -> bool:
        """Return whether a key was ever created, even if it was revoked or deleted with its user.

        Once a key existed, the server never again serves without one.
        """
        self._needed = self._needed or (await self._fresh()).total > 0
        return self._needed

    async def actor_of(self, secret: str) -> Actor | None:
        """Return the actor of the secret, `None` if it is not valid. Raises `StorageError`."""
        await self._fresh()
        digest = digest_of(secret)
        if (known := self._actors.get(digest)) is not None:
            return known
        stamp = self._stamp
        actor = await bearer(self._database, secret)
        # A key revoked during the query must not be cached from its stale result.
        if actor is not None and stamp == self._stamp and len(self._actors) < _MOST:
            self._actors[digest] = actor
        return actor

    async def look(self) -> KeysStamp:
        """Clear the cache if any key has changed in the database. Raises `StorageError`."""
        began = self._now()
        stamp = await keys_stamp(self._database)
        if stamp != self._stamp:
            self._actors.clear()
        self._stamp, self._looked_at = stamp, began
        return stamp

    async def watch(self) -> None:
        """Check periodically until cancelled, so that no request has to."""
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
