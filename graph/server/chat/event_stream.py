"""Stream a turn as server-sent events, each word at once, with comments during silence."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Protocol

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ....nodes.turn.events import Event, Speech, ToolRequested, TurnFailed, TurnFinished
from ....state.errors import VoicegraphError
from ..errors import ApiError, response_of
from .completion_chunks import DONE, PING, Chunks
from .disconnect import until_disconnect

PING_EVERY = 1.0
"""Seconds of silence after which a comment is sent: clients time out after ten."""

_SEND_WITHIN = 30.0
"""Seconds after which a client that reads nothing counts as disconnected."""


class Answer(Protocol):
    """The source of a response: a turn or a side call."""

    @property
    def thread_id(self) -> str | None:
        """The thread, if any."""
        ...

    def events(self, tick: float | None = None) -> AsyncGenerator[Event | None]:
        """Yield the events from first to last, `None` after each `tick` seconds of silence."""
        ...

    def part(self) -> None:
        """Stop listening."""
        ...


class EventStream(Response):
    """The response to one listener; the framework's own would delay headers and chunks."""

    def __init__(self, answer: Answer, chunks: Chunks, *, include_usage: bool, header_encoding: str) -> None:
        super().__init__()
        self._answer, self._chunks, self._include_usage = answer, chunks, include_usage
        self._thread = thread_header(answer, header_encoding)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the headers at once and then the turn, until it ends or the client disconnects."""
        headers = [
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-cache"),
            (b"x-accel-buffering", b"no"),
            *self._thread,
        ]
        try:
            # Raised by `send` when the client has disconnected or reads nothing.
            with suppress(OSError, TimeoutError):
                await until_disconnect(self._write(send, headers), receive)
        finally:
            self._answer.part()

    async def _write(self, send: Send, headers: list[tuple[bytes, bytes]]) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        try:
            async with aclosing(self._answer.events(PING_EVERY)) as events:
                async for event in events:
                    await _put(send, self._encoded(event))
        except (
            VoicegraphError,
            ApiError,
        ) as error:  # From a side call; a turn ends with an apology.
            await _put(send, b"data: " + bytes(response_of(error).body) + b"\n\n" + DONE)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _encoded(self, event: Event | None) -> bytes:
        match event:
            case None:
                return PING
            case Speech():
                return self._chunks.text(event.content)
            case ToolRequested():
                return self._chunks.tool_call(event.tool_call_id, event.name, event.arguments)
            case TurnFinished() | TurnFailed():
                reason = event.finish_reason if isinstance(event, TurnFinished) else None
                usage = self._chunks.usage(event.usage) if self._include_usage else b""
                return self._chunks.finish(reason) + usage + DONE
            case _:
                return b""


async def _put(send: Send, body: bytes) -> None:
    if body:
        async with asyncio.timeout(_SEND_WITHIN):
            await send({"type": "http.response.body", "body": body, "more_body": True})


def thread_header(answer: Answer, encoding: str) -> list[tuple[bytes, bytes]]:
    """Return the header that names the thread, in the client's own encoding."""
    if answer.thread_id is None:
        return []
    return [(b"x-thread-id", answer.thread_id.encode(encoding, "replace"))]
