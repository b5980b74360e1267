"""Routes that authenticate before they read the body: only clients with a key may send a large one."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from fastapi.routing import APIRoute

from .auth import bearer_key, identified


class KeyFirst(APIRoute):
    """Authenticates first; the framework itself reads the body before it resolves dependencies."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, preceded by the key check."""
        handle = super().get_route_handler()

        async def identify_and_handle(request: Request) -> Response:
            await identified(request, await bearer_key(request))
            return await handle(request)

        return identify_and_handle
