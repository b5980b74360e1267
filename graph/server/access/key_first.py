"""Routes that know who asks before they read what: a body of many bytes is for those with a key."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from fastapi.routing import APIRoute

from .auth import bearer_key, identified


class KeyFirst(APIRoute):
    """A route whose caller is identified first; the framework reads bodies before it asks dependencies."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, preceded by the check of the key."""
        handle = super().get_route_handler()

        async def identify_and_handle(request: Request) -> Response:
            await identified(request, await bearer_key(request))
            return await handle(request)

        return identify_and_handle
