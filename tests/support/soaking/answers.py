"""The words of a streamed answer, as a caller of the soak hears them."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx


class Refused(Exception):
    """The server answered with another status, or broke off."""


async def words_of_answer(client: httpx.AsyncClient, url: str, body: dict[str, Any]) -> AsyncIterator[str]:
    """Send a chat request to the server at `url` and yield the pieces of its reply.

    Raises `Refused`, and `httpx.HTTPError` when the server cannot be reached.
    """
    async with client.stream("POST", f"{url}/v1/chat/completions", json=body) as answer:
        if answer.status_code != 200:
            raise Refused(answer.status_code)
        async for line in answer.aiter_lines():
            if line == "data: [DONE]":
                return
            if line.startswith("data: {"):
                word = json.loads(line[6:])["choices"][0]["delta"].get("content")
                if word:
                    yield word
    raise Refused(0)
