"""No request body over a limit is read, whether its length is told or not."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .errors import ApiError, error_response


class BodyLimit:
    """Answers 413 with an error object; the framework's own limit answers in plain text."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        """Pass requests on to `app` whose body has at most `limit` bytes."""
        self.app, self.limit = app, limit
        self._message = f"the body is too large: at most {limit:,} bytes are taken"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a body that is said to be too long at once, another when it gets too long."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        told = Headers(scope=scope).get("content-length", "")
        if told.isdecimal() and int(told[:20]) > self.limit:
            response = error_response(413, self._message, headers={"Connection": "close"})
            await response(scope, receive, send)
            return
        size = 0

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > self.limit:
                raise ApiError(413, self._message, code="body_too_large", headers={"Connection": "close"})
            return message

        await self.app(scope, counted, send)
