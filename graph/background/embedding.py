"""Compute vectors for new entries of the search index in the background, with retries."""

import logging

from ...state.search.embedding import Embedding
from .worker import Worker

log = logging.getLogger(__name__)

FIRST_RETRY = 5.0
"""Seconds before the first retry after an embedder failure; doubled each time, up to `LONGEST_RETRY`."""
LONGEST_RETRY = 600.0


class BackgroundEmbedding:
    """Embeds in its own task, without disturbing turns; the rest stays pending until the next start."""

    def __init__(self, embedding: Embedding) -> None:
        self._embedding = embedding
        self._worker = Worker(self._embed, self._failed, pauses=(FIRST_RETRY, LONGEST_RETRY))

    def wake(self) -> None:
        """Signal that the index may have entries without vectors."""
        if self._embedding.on:
            self._worker.wake()

    async def close(self) -> None:
        """Stop at once."""
        await self._worker.close()

    async def _embed(self) -> bool:
        await self._embedding.embed_due()
        return False

    def _failed(self, error: Exception, pause: float) -> bool:  # An embedder may raise anything.
        log.warning("embedding failed", extra={"error": type(error).__name__, "again_in": pause})
        return True
