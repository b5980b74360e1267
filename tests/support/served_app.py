"""An application in this process, and HTTP clients of it that need no socket."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import FastAPI

from voicegraph.graph import Resources
from voicegraph.state import Actor


@dataclass(frozen=True, kw_only=True)
class Served:
    """An application, and clients of it."""

    app: FastAPI
    resources: Resources
    address: str

    def client(self, key: str | None = None, **options: Any) -> httpx.AsyncClient:
        """Return a client that sends `key`, and every body as JSON."""
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        transport = httpx.ASGITransport(self.app, client=(self.address, 50000))
        options = {"base_url": "http://localhost", "headers": headers, **options}
        return httpx.AsyncClient(transport=transport, **options)

    async def record(self, thread_id: str) -> list[dict[str, Any]]:
        """Return the thread's messages in order, once its turns are stored."""
        for run in self.resources.threads.all():
            await run.done.wait()
        async with self.client() as client:
            page = (await client.get(f"/v1/threads/{thread_id}/messages?limit=100")).json()
        return list(reversed(page["data"]))

    async def key(self, actor: Actor) -> str:
        """Make a key of the actor."""
        _, secret = await self.resources.store.keys.create(actor, "test")
        await self.app.state.keyring.look()
        return secret


Serve = Callable[..., AbstractAsyncContextManager[Served]]
"""Serves the test's database, with a model; settings and the client's address are given by name."""
