"""HTTP with limits that apply before a request is parsed; uvicorn itself has none for these.

They limit the size and time of a head, a trailer and chunk framing, the pipelined requests of a connection,
and the time of a body. A client that exceeds one is disconnected.
"""

from asyncio import TimerHandle
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ....state.errors import VoicegraphError


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The limits of a connection."""

    head_bytes: int
    """For request line and headers; trailers and chunk framing may take this plus the body's length."""
    head_seconds: float
    """From the first byte of a request to the end of its headers."""
    body_seconds: float
    """From there to the end of its body."""
    idle_seconds: float
    """Until the first byte of the first request."""


_MOST_WAITING = 8
"""Requests that a client may send before the previous one is answered."""


class _TooManyRequests(VoicegraphError):
    pass


def bounded_protocol(bounds: Bounds) -> type[HttpToolsProtocol]:
    """Return uvicorn's protocol class with these limits."""
    return type("BoundedProtocol", (_Bounded,), {"bounds": bounds})


class _Bounded(HttpToolsProtocol):
    bounds: Bounds
    _received = _body = 0
    _begun = False
    """True from the first byte of a request to its last."""
    _timer: TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._end_after(self.bounds.idle_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_after(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._begun:
            self._begin()
        self._received += len(data)
        super().data_received(data)
        framing = self._received - self._body
        if self._begun and framing > self.bounds.head_bytes + self._body and not self.transport.is_closing():
            self.send_400_response("The head of the request is too long.")

    def on_message_begin(self) -> None:
        if not self._begun:  # Another request precedes it in the same piece of data.
            self._begin()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if len(self.pipeline) >= _MOST_WAITING:
            raise _TooManyRequests  # The parser answers with 400.
        self._end_after(self.bounds.body_seconds)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._body += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._end_after(None)
        self._begun = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.pipeline:
            self.flow.pause_reading()

    def _begin(self) -> None:
        self._begun, self._received, self._body = True, 0, 0
        self._end_after(self.bounds.head_seconds)

    def _end_after(self, seconds: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(seconds, self._end) if seconds is not None else None

    def _end(self) -> None:
        if self.transport.is_closing():
            return
        cycle: Any = self.cycle  # None before the first request.
        if not self._begun:
            self.transport.close()
        elif cycle is None or cycle.response_complete or not cycle.response_started:
            self.send_400_response("The request took too long.")
        else:
            self.transport.abort()
