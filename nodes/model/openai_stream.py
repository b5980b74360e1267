"""Stream a completion from the OpenAI client of a `ChatOpenAI`, without creating objects per token.

LangChain and the SDK create several pydantic objects per token, which takes most of a turn's CPU time. They
still make the requests; only the answer is read here.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from ...state.errors import ModelRefused, ModelUnavailable
from .request.openai_request import RawRequest
from .stream.delta import Delta
from .stream.openai_chunks import ChunkReader
from .stream.server_events import EventReader

if TYPE_CHECKING:
    from langchain_openai import ChatOpenAI

_DRAIN_SECONDS = 0.1
"""Maximum wait for the end of the answer after its last event, so that the connection can be reused."""
_DONE_NAMES = frozenset({"done", "end", "complete", "completed", "finish", "finished"})


async def stream_raw(request: RawRequest, model: str) -> AsyncGenerator[Delta]:
    """Yield the deltas of one completion; `model` is its name in errors.

    Raises `ModelError`s, including for an answer that breaks off, and the errors of the OpenAI client, its
    HTTP client and the decoder.
    """
    payload = dict(request.payload)
    # The SDK would walk through all messages and schemas to convert special values.
    body = {name: payload.pop(name) for name in ("messages", "tools") if name in payload}
    body |= payload.pop("extra_body", None) or {}
    create = _completions(request.chat).with_streaming_response.create
    async with create(**payload, messages=[], extra_body=body) as response:
        address = _bare_address(str(request.chat.root_async_client.base_url))
        chunks, events = ChunkReader(model, address), EventReader()
        parts = response.http_response.aiter_bytes()
        part = await _first_bytes(parts)
        if part.lstrip()[:1] == b"<":
            raise ModelRefused(f"{model}: answered with a web page: check OPENAI_BASE_URL ({address})")
        if part.lstrip()[:1] in (b"{", b"["):  # The server does not stream.
            for delta in _read_whole(chunks, part + b"".join([part async for part in parts])):
                yield delta
            return
        while part is not None:
            for data, name in events.feed(part):
                if _is_done(data, name):
                    await _drain(parts)
                    return
                if data or name:
                    yield chunks.read(data, name)
            part = await anext(parts, None)
        for data, name in events.close():
            if _is_done(data, name):
                return
            try:
                delta = chunks.read(data, name)
            except ValueError:  # The answer was cut off.
                break
            yield delta
        if not chunks.begun:
            raise chunks.unlike_a_completion()
        if not chunks.ended:
            raise ModelUnavailable(f"{model}: the answer broke off, without a finish reason")


async def _first_bytes(parts: AsyncIterator[bytes]) -> bytes:
    """Return the first bytes, enough to recognize the kind of answer, without a byte order mark."""
    first = b""
    async for part in parts:
        first = (first + part).removeprefix(b"\xef\xbb\xbf")
        if first.strip() and not b"\xef\xbb\xbf".startswith(first):
            break
    return first


def _read_whole(chunks: ChunkReader, body: bytes) -> Iterator[Delta]:
    """Yield the deltas of an answer that is not a stream: one object, or one per line."""
    try:
        deltas = [chunks.read(body)]
    except ValueError:
        deltas = [chunks.read(line) for line in body.splitlines() if line.strip()]
    if not chunks.begun:
        raise chunks.unlike_a_completion()
    yield from deltas


def _is_done(data: bytes, name: str) -> bool:
    """Return whether an event ends the answer: `[DONE]` as OpenAI writes it, or a variant."""
    if name and name.lower() in _DONE_NAMES:
        return b'"choices"' not in data
    return not data.startswith(b"{") and data.strip(b' "[]').upper() == b"DONE"


async def _drain(parts: AsyncIterator[bytes]) -> None:
    """Read an answer to its end, so that its connection can be reused."""
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            async for _ in parts:
                pass
    except Exception:  # The answer is complete.
        return


def _bare_address(url: str) -> str:
    """Return the address without parts that may be secret."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}{parts.path}"


_patient: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
"""Clients with retries of their own, and the ones without retries that replace them."""


def _completions(chat: "ChatOpenAI") -> Any:
    """Return the chat completions of the model's client, without retries, which are the turn's task."""
    client: Any = chat.root_async_client
    if client.max_retries == 0:
        return chat.async_client
    if client not in _patient:
        _patient[client] = client.with_options(max_retries=0)
    return _patient[client].chat.completions
