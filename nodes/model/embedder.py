"""The optional embedder: `openai:NAME`, a path `package.module:factory`, or any LangChain `Embeddings`."""

import importlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from langchain_core.embeddings import Embeddings

from ...state.errors import InvalidSetting
from .access.http_clients import HttpClients, open_clients
from .access.provider_access import OPENAI_URL, OpenAIAccess, required_openai_access
from .errors.model_errors import as_model_error

_TIMEOUTS = httpx2.Timeout(60.0, connect=5.0)


class LangChainEmbedder:
    """LangChain's `Embeddings` with the interface of the search index."""

    def __init__(self, name: str, embeddings: Embeddings) -> None:
        """Identify `embeddings` by `name`, which must differ between models."""
        self.name = name
        self._embeddings = embeddings

    async def embed_documents(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """Return a vector for each text, or raise `ModelError`."""
        try:
            return await self._embeddings.aembed_documents(list(texts))
        except Exception as error:
            raise as_model_error(error, self.name) from error

    async def embed_query(self, text: str) -> Sequence[float]:
        """Return the vector of a query, or raise `ModelError`."""
        try:
            return await self._embeddings.aembed_query(text)
        except Exception as error:
            raise as_model_error(error, self.name) from error


@asynccontextmanager
async def open_embedder(source: str | Embeddings | None) -> AsyncGenerator[LangChainEmbedder | None]:
    """Yield the embedder for a name, a path or an object, and close its connections on exit.

    Raises `InvalidSetting` if there is none.
    """
    if isinstance(source, str) and source.startswith("openai:"):
        access = required_openai_access(source)
        clients = open_clients(access.base_url or OPENAI_URL, timeout=_TIMEOUTS)
        try:
            yield LangChainEmbedder(source, _openai(source, access, clients))
        finally:
            await clients.aclose()
    elif source is None:
        yield None
    else:
        embeddings = _load(source) if isinstance(source, str) else source
        if not isinstance(embeddings, Embeddings):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidSetting(
                f"{type(embeddings).__name__} is not an embedder: give LangChain `Embeddings`"
            )
        yield LangChainEmbedder(_name_of(embeddings), embeddings)


def _openai(name: str, access: OpenAIAccess, clients: HttpClients) -> Embeddings:
    from langchain_openai import OpenAIEmbeddings  # Importing takes half a second: only when it is used.
    from openai import AsyncOpenAI

    key = access.key or "none"
    # Unset values are passed too: the library would read the environment's uncleaned ones.
    client = AsyncOpenAI(
        api_key=key,
        base_url=access.explicit_url,
        max_retries=0,  # A search has no time for retries, and pending entries are retried anyway.
        http_client=clients.turns,
    )
    client.organization, client.project = access.organization, access.project
    return OpenAIEmbeddings(
        model=name.partition(":")[2],
        api_key=key,  # pyright: ignore[reportArgumentType]
        base_url=access.explicit_url,
        openai_proxy=None,
        async_client=client.embeddings,
        http_client=clients.blocking,
        check_embedding_ctx_length=False,  # Otherwise it would load a token table from the network.
    )


def _load(path: str) -> Any:
    module, _, factory = path.partition(":")
    if not (module and factory):
        raise InvalidSetting(f"no embedder '{path}': write openai:NAME or package.module:factory")
    try:
        return getattr(importlib.import_module(module), factory)()
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InvalidSetting(f"the embedder '{path}' cannot be created: {reason}") from error


def _name_of(embeddings: Embeddings) -> str:
    """Return the class name, with the object's model name if it has one."""
    kind = type(embeddings)
    traits = (getattr(embeddings, each, None) for each in ("model", "model_name", "dimensions"))
    return ":".join([f"{kind.__module__}.{kind.__qualname__}", *(str(each) for each in traits if each)])
