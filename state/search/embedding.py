"""Keep the vectors of the search index up to date in the background, and embed queries."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from importlib.util import find_spec

from ..database.opened_in import OneLoopLock
from ..errors import MissingExtra, ModelError, ModelProtocolError, ModelTimeout
from .embedder import LONGEST, Embedder, Meaning, meaning_of
from .search_index import SearchIndex
from .similarity import Due, normalised

log = logging.getLogger(__name__)

_BATCH = 64
_TIMEOUT = 60.0
_PROBE = "Hello."


class Embedding:
    """The vectors of a store; without an embedder it does nothing."""

    def __init__(self, index: SearchIndex, embedder: Embedder | None, *, deadline: float) -> None:
        """Use `index`; a search waits at most `deadline` seconds for the vector of its query.

        Raises `MissingExtra` without numpy.
        """
        if embedder is not None and find_spec("numpy") is None:
            raise MissingExtra("embeddings", "an embedder")
        self._index = index
        self._embedder = embedder
        self._deadline = deadline
        self._warned = False
        self._working = OneLoopLock()

    @property
    def on(self) -> bool:
        """True if there is an embedder."""
        return self._embedder is not None

    async def meaning_of(self, query: str) -> Meaning | None:
        """Return the meaning of a query, `None` if it must be searched by words alone."""
        return await meaning_of(self._embedder, query, self._deadline)

    async def embed_due(self, progress: Callable[[int, int], None] = lambda done, left: None) -> int:
        """Embed all entries of the index that wait for a vector; return their number.

        For the background, not for turns: it can be cancelled at any time. `progress` is called with the
        numbers of finished and remaining entries. The first embedder of an index embeds all its entries;
        another model does nothing until `change_model` is called. Raises `ModelError`.
        """
        if self._embedder is None:
            return 0
        async with self._working:
            if not await self._is_wanted(self._embedder.name):
                return 0
            done = 0
            while made := await self._embed_some(self._embedder):
                done += made
                progress(done, await self._index.count_due())
            return done

    async def change_model(self) -> None:
        """Mark all entries without a vector of this embedder as due; delete vectors of other models."""
        if self._embedder is not None:
            await self._index.want(self._embedder.name)

    async def _is_wanted(self, name: str) -> bool:
        wanted = await self._index.wanted_model()
        if wanted is None:
            await self.change_model()
        elif wanted != name and not self._warned:
            self._warned = True
            log.warning("the vectors are of another model: run voicegraph memory embed")
        return wanted in (None, name)

    async def _embed_some(self, embedder: Embedder) -> int:
        waiting = await self._index.take_due(embedder.name, _BATCH)
        if waiting:
            try:
                made = await _vectors(embedder, waiting)
            except BaseException:
                await self._index.give_back(waiting)
                raise
            await self._index.keep(embedder.name, list(zip(waiting, made, strict=True)))
        return len(waiting)


async def _vectors(embedder: Embedder, entries: Sequence[Due]) -> list[bytes | None]:
    """Return the vector of each entry, `None` for a text that the model refuses. Raises `ModelError`."""
    texts = [entry.text[:LONGEST] for entry in entries]
    try:
        return await _embed(embedder, texts)
    except ModelError as error:
        if error.retryable:
            raise
    # Either the model refuses everything (a bad key, say), or only one of these texts.
    await _embed(embedder, [_PROBE])
    made: list[bytes | None] = []
    for text in texts:
        try:
            made += await _embed(embedder, [text])
        except ModelError as error:
            if error.retryable:
                raise
            log.warning("a text has no vector", extra={"error": error.code})
            made.append(None)
    return made


async def _embed(embedder: Embedder, texts: Sequence[str]) -> list[bytes | None]:
    try:
        async with asyncio.timeout(_TIMEOUT):
            vectors = await embedder.embed_documents(texts)
    except TimeoutError as error:
        raise ModelTimeout(f"{embedder.name}: no answer in {_TIMEOUT:g} s") from error
    if len(vectors) != len(texts):
        raise ModelProtocolError(f"{embedder.name}: {len(vectors)} vectors came for {len(texts)} texts")
    return [normalised(vector) for vector in vectors]
