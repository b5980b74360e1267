"""A turn as server-sent events: each word leaves at once, and a silent connection is kept awake."""

import asyncio
from contextlib import aclosing, suppress

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ...nodes.events import Event, Speech, ToolRequested, TurnFailed, TurnFinished
from .completion_chunks import DONE, PING, Chunks
from .presence import while_present
from .served_turn import ServedTurn

PING_EVERY = 1.0
"""Seconds of silence after which a comment is sent: clients give up a silent connection after ten."""

_SEND_WITHIN = 30.0
"""Seconds after which a client that reads nothing counts as gone."""


class EventStream(Response):
    """The response to one listener; the framework's own stream would hold headers and chunks back longer."""

    def __init__(
        self, turn: ServedTurn, chunks: Chunks, *, include_usage: bool, header_encoding: str
    ) -> None:
        super().__init__()
        self._turn, self._chunks, self._include_usage = turn, chunks, include_usage
        self._header_encoding = header_encoding

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the headers at once and then the turn, until it ends or the client leaves."""
        headers = [
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-cache"),
            (b"x-accel-buffering", b"no"),
            (b"x-thread-id", header_value(self._turn.thread_id, self._header_encoding)),
        ]
        try:
            # What `send` raises: the client is gone, or reads nothing.
            with suppress(OSError, TimeoutError):
                await while_present(self._write(send, headers), receive)
        finally:
            self._turn.run.part()

    async def _write(self, send: Send, headers: list[tuple[bytes, bytes]]) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        async with aclosing(self._turn.events(PING_EVERY)) as events:
            async for event in events:
                await _put(send, self._encoded(event))
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


def header_value(text: str, encoding: str) -> bytes:
    """Return a text as the value of a header, in the encoding that the client itself uses there."""
    return text.encode(encoding, "replace")
