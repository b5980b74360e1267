"""Compute vectors for new entries of the search index in the background, with retries."""

import asyncio
import logging

from ...state.search.embedding import Embedding

log = logging.getLogger(__name__)

FIRST_RETRY = 5.0
"""Seconds before the first retry after an embedder failure; doubled each time, up to `LONGEST_RETRY`."""
LONGEST_RETRY = 600.0


class BackgroundEmbedding:
    """Embeds in its own task, without disturbing turns; the rest stays pending until the next start."""

    def __init__(self, embedding: Embedding) -> None:
        self._embedding = embedding
        self._new = asyncio.Event()
        self._task = asyncio.create_task(self._run()) if embedding.on else None

    def wake(self) -> None:
        """Signal that the index may have entries without vectors."""
        self._new.set()

    async def close(self) -> None:
        """Stop at once."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _run(self) -> None:
        wait = FIRST_RETRY
        while True:
            await self._new.wait()
            self._new.clear()
            try:
                await self._embedding.embed_due()
                wait = FIRST_RETRY
            except Exception as error:
                # An embedder may raise anything, and only this task embeds.
                log.warning("embedding failed", extra={"error": type(error).__name__, "again_in": wait})
                await asyncio.sleep(wait)
                wait = min(LONGEST_RETRY, wait * 2)
                self._new.set()
