"""Update the search index in the background."""

import logging

from ...nodes.context import Background
from ...state.store import Store
from .embedding import BackgroundEmbedding
from .worker import Worker

log = logging.getLogger(__name__)


class BackgroundIndexing:
    """Indexes new entries in one task at a time, however many turns end meanwhile."""

    def __init__(self, store: Store, embedding: BackgroundEmbedding, background: Background) -> None:
        self._store, self._embedding = store, embedding
        self._worker = Worker(self._index, self._failed, pauses=(0.0, 0.0), start=background.start)

    def wake(self) -> None:
        """Index new entries, in the running task if there is one; returns at once."""
        self._worker.wake()

    async def _index(self) -> bool:
        await self._store.recall.index_due()
        self._embedding.wake()
        return False

    def _failed(self, error: Exception, pause: float) -> bool:
        log.error("the search index could not be updated; the next turn tries again", exc_info=error)
        return False
