"""What makes vectors of texts, so that a search finds a meaning in other words; all works without one."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

log = logging.getLogger(__name__)

LONGEST = 4000
"""So many characters of a text count: models refuse more, and a vector of a long text means nothing."""


class Embedder(Protocol):
    """A model for vectors. Its functions raise any error when the model does not answer."""

    @property
    def name(self) -> str:
        """The model's name: vectors of two names are never compared."""
        ...

    async def embed_documents(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """Return a vector for each text that is searched, all of one length."""
        ...

    async def embed_query(self, text: str) -> Sequence[float]:
        """Return the vector of a text that is searched for."""
        ...


@dataclass(frozen=True, slots=True)
class Meaning:
    """The vector of a query, and the name of the model that made it."""

    model: str
    vector: Sequence[float]


async def meaning_of(embedder: Embedder | None, query: str, deadline: float) -> Meaning | None:
    """Return the meaning of a query, `None` without an embedder or an answer of it within `deadline` seconds.

    A caller waits for it: whatever goes wrong, the search goes on by words alone.
    """
    if embedder is None or not query.strip():
        return None
    try:
        async with asyncio.timeout(deadline):
            return Meaning(embedder.name, await embedder.embed_query(query[:LONGEST]))
    except Exception as error:
        log.warning("the query was not embedded", extra={"error": type(error).__name__})
        return None
