"""Reject request bodies over a limit, in bytes or in number of JSON values."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ....nodes.text.json_work import MOST_WORK, SMALL, JsonWork
from ..errors import ApiError, error_response

_CLOSE = {"Connection": "close"}


class BodyLimit:
    """Answers 413 with an error object; the framework's own limit answers in plain text."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        """Pass requests with a body of at most `limit` bytes on to `app`."""
        self.app, self.limit = app, limit
        self._message = f"the body is too large: at most {limit:,} bytes are taken"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Reject a body by its declared length, or as soon as it exceeds the limit."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        told = Headers(scope=scope).get("content-length", "")
        if told.isdecimal() and int(told[:20]) > self.limit:
            response = error_response(413, self._message, headers=_CLOSE)
            await response(scope, receive, send)
            return
        size, values = 0, _Values()

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            part: bytes = message.get("body", b"")
            size += len(part)
            if size > self.limit:
                raise ApiError(413, self._message, code="body_too_large", headers=_CLOSE)
            if part and values.are_too_many(part):
                await _read_away(receive, message, self.limit - size)
                raise ApiError(413, "the body holds too many values", code="body_too_large", headers=_CLOSE)
            return message

        await self.app(scope, counted, send)


async def _read_away(receive: Receive, message: Message, most: int) -> None:
    """Drain the rest of a body: a client that is still sending would not read the response."""
    while message.get("more_body") and most >= 0:
        message = await receive()
        most -= len(message.get("body", b""))


class _Values:
    """Counts the JSON values of a body once it is large."""

    def __init__(self) -> None:
        self._work = JsonWork()
        self._uncounted: list[bytes] = []
        self._size = 0

    def are_too_many(self, part: bytes) -> bool:
        """Add a part of the body; return whether the body would take too long to decode."""
        self._size += len(part)
        self._uncounted.append(part)
        if self._size <= SMALL:
            return False
        parts, self._uncounted = self._uncounted, []
        return any(self._work.feed(part) > MOST_WORK for part in parts)
