"""Update the search index in the background."""

import logging

from ...nodes.context import Background
from ...state.errors import StorageError
from ...state.store import Store
from .embedding import BackgroundEmbedding

log = logging.getLogger(__name__)


class BackgroundIndexing:
    """Indexes new entries in one task at a time, however many turns end meanwhile."""

    def __init__(self, store: Store, embedding: BackgroundEmbedding, background: Background) -> None:
        self._store, self._embedding, self._background = store, embedding, background
        self._runs = self._again = False

    def wake(self) -> None:
        """Index new entries, in the running task if there is one; returns at once."""
        self._again = True
        if not self._runs:
            self._runs = True
            self._background.start(self._run())

    async def _run(self) -> None:
        try:
            while self._again:
                self._again = False
                await self._index()
        finally:
            self._runs = False

    async def _index(self) -> None:
        try:
            await self._store.recall.index_due()
            self._embedding.wake()
        except StorageError:
            log.exception("the search index could not be updated; the next turn tries again")
