"""A little embedder that knows what a few words mean: the same each time, and no network."""

import asyncio
import re
from collections.abc import Sequence

from langchain_core.embeddings import Embeddings

from voicegraph.state.errors import ModelRefused, ModelUnavailable

_MEANINGS = ({"cat", "feline", "kitten"}, {"car", "automobile"}, {"rome", "italy"}, {"nuts", "allergy"})


def vector(text: str) -> list[float]:
    """Return how often a text means each thing, and a little of something that all texts share."""
    words = re.findall(r"\w+", text.lower())
    return [*(float(sum(word in same for word in words)) for same in _MEANINGS), 0.1]


class FakeEmbedder:
    """An embedder of a store, whose failures the test decides."""

    def __init__(self, name: str = "fake") -> None:
        self.name = name
        self.embedded: list[str] = []
        self.down = False
        self.refuses: str | None = None
        self.hold: asyncio.Event | None = None

    async def embed_documents(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        await self._answering()
        if any(self.refuses is not None and self.refuses in text for text in texts):
            raise ModelRefused("a text is not to its liking")
        self.embedded += texts
        return [vector(text) for text in texts]

    async def embed_query(self, text: str) -> Sequence[float]:
        await self._answering()
        return vector(text)

    async def _answering(self) -> None:
        if self.hold is not None:
            await self.hold.wait()
        if self.down:
            raise ModelUnavailable("down")


class FakeEmbeddings(Embeddings):
    """The same as LangChain has it."""

    def __init__(self, model: str = "fake") -> None:
        self.model = model

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [vector(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return vector(text)
