"""Parse the body of a chat request, a large one in a thread so that other turns continue."""

import asyncio
from dataclasses import replace

from fastapi import Request
from starlette.datastructures import Headers

from .chat_request import ChatRequest, read_chat_request
from .request_bounds import first_tools, recent_messages

_LARGE = 64_000
"""Maximum size of a body parsed on the event loop, where a thread would take longer."""


async def read_request(request: Request, longest: int) -> ChatRequest:
    """Return the parsed request, as `read_chat_request` does.

    In a large request, texts are truncated to `longest` characters.
    """
    body = await request.body()
    if len(body) <= _LARGE:
        return read_chat_request(body, request.headers)
    return await asyncio.to_thread(_read_large, body, request.headers, longest)


def _read_large(body: bytes, headers: Headers, longest: int) -> ChatRequest:
    asked = read_chat_request(body, headers)
    return replace(
        asked,
        messages=recent_messages(asked.messages, longest),
        client_tools=first_tools(asked.client_tools),
    )
