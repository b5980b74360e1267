"""Vectors for what is new in the search index: made behind the turns, and tried again when that fails."""

import asyncio
import logging

from ...state.search.embedding import Embedding

log = logging.getLogger(__name__)

FIRST_RETRY = 5.0
"""Seconds to the second attempt when the embedder failed; doubled each time, up to `LONGEST_RETRY`."""
LONGEST_RETRY = 600.0


class BackgroundEmbedding:
    """Embeds in a task of its own; it never disturbs a turn, and what it leaves is due at the next start."""

    def __init__(self, embedding: Embedding) -> None:
        self._embedding = embedding
        self._new = asyncio.Event()
        self._task = asyncio.create_task(self._run()) if embedding.on else None

    def wake(self) -> None:
        """Tell that the index may hold entries without vectors."""
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
                # Whatever an embedder raises: without this task nothing would ever be embedded again.
                log.warning("embedding failed", extra={"error": type(error).__name__, "again_in": wait})
                await asyncio.sleep(wait)
                wait = min(LONGEST_RETRY, wait * 2)
                self._new.set()
