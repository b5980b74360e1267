"""Stream a completion from the OpenAI client of a `ChatOpenAI`, without an object a token.

LangChain and the SDK make several pydantic objects of each token, which takes most of a turn's CPU time.
Requests are made by them as ever; only the answer is read here.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from .delta import Delta
from .openai_chunks import ChunkReader
from .openai_request import RawRequest
from .server_events import EventReader

if TYPE_CHECKING:
    from langchain_openai import ChatOpenAI

_DONE = b"[DONE]"
_DRAIN_SECONDS = 0.1
"""How long the end of the answer is waited for behind its last event; the connection is kept then."""


async def stream_raw(request: RawRequest, model: str) -> AsyncGenerator[Delta]:
    """Yield the deltas of one completion; `model` is its name in errors.

    Raises `ModelError`s and whatever the OpenAI client, its HTTP client and the decoder raise.
    """
    payload = dict(request.payload)
    # The SDK would walk through all messages and schemas, looking for what it must not send as it is.
    body = {name: payload.pop(name) for name in ("messages", "tools") if name in payload}
    body |= payload.pop("extra_body", None) or {}
    create = _completions(request.chat).with_streaming_response.create
    async with create(**payload, messages=[], extra_body=body) as response:
        chunks, events = ChunkReader(model), EventReader()
        if response.headers.get("content-type", "").startswith("application/json"):
            yield chunks.read(await response.read())  # A server that does not stream.
            return
        parts = response.http_response.aiter_bytes()
        async for part in parts:
            for event in events.feed(part):
                if event.startswith(_DONE):
                    await _drain(parts)
                    return
                if event:
                    yield chunks.read(event)


async def _drain(parts: AsyncIterator[bytes]) -> None:
    """Read an answer to its end, so that its connection serves the next request."""
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            async for _ in parts:
                pass
    except Exception:  # Everything was said.
        return


_patient: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
"""Clients that try again by themselves, and what serves here in their place."""


def _completions(chat: "ChatOpenAI") -> Any:
    """Return the chat completions of the model's client, without its retries: these are the turn's."""
    client: Any = chat.root_async_client
    if client.max_retries == 0:
        return chat.async_client
    if client not in _patient:
        _patient[client] = client.with_options(max_retries=0)
    return _patient[client].chat.completions
