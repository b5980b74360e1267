"""The embedder, an optional model that makes vectors of texts to search by meaning."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

log = logging.getLogger(__name__)

LONGEST = 4000
"""Maximum characters of a text to embed: models refuse more, and vectors of long texts are meaningless."""


class Embedder(Protocol):
    """An embedding model. Its functions raise any error if the model does not answer."""

    @property
    def name(self) -> str:
        """The model's name: vectors of different names are never compared."""
        ...

    async def embed_documents(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """Return a vector for each stored text, all of one length."""
        ...

    async def embed_query(self, text: str) -> Sequence[float]:
        """Return the vector of a query."""
        ...


@dataclass(frozen=True, slots=True)
class Meaning:
    """The vector of a query, and the name of the model that made it."""

    model: str
    vector: Sequence[float]


async def meaning_of(embedder: Embedder | None, query: str, deadline: float) -> Meaning | None:
    """Return the meaning of a query, `None` without an embedder or an answer within `deadline` seconds.

    A caller is waiting: on any error, the search continues by words alone.
    """
    if embedder is None or not query.strip():
        return None
    try:
        async with asyncio.timeout(deadline):
            return Meaning(embedder.name, await embedder.embed_query(query[:LONGEST]))
    except Exception as error:
        log.warning("the query was not embedded", extra={"error": type(error).__name__})
        return None
