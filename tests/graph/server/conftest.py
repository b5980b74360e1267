"""The application over a real database, spoken to over HTTP without a socket."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from openai_server import OpenAIServer, text
from soaking.model_process import ModelProcess, model_process

from voicegraph.graph import Resources, build_graph
from voicegraph.graph.server.app import create_app
from voicegraph.nodes.model.request.request_form import OPENAI
from voicegraph.nodes.testing import ScriptedChatModel
from voicegraph.state import Actor


@dataclass(frozen=True, kw_only=True)
class Served:
    """An application, and clients of it."""

    app: Any
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


@pytest.fixture
def serve(open_voice: Any) -> Serve:
    """Return how to serve the test's database; settings and the client's address are given by name."""

    @asynccontextmanager
    async def serve_it(
        model: ScriptedChatModel | None = None, *, address: str = "127.0.0.1", **settings: Any
    ) -> AsyncIterator[Served]:
        async with open_voice(model or ScriptedChatModel([]), **settings) as resources:
            app = create_app(build_graph(resources))
            yield Served(app=app, resources=resources, address=address)

    return serve_it


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    """A server that stands for OpenAI's own, behind every model `openai:NAME`."""
    with OpenAIServer(default=text("Hello.")) as server:
        monkeypatch.setattr("voicegraph.nodes.model.request.request_form._HOSTS", {"127.0.0.1": OPENAI})
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "key")
        yield server
        server.check()


@pytest.fixture
def soak_model() -> Iterator[ModelProcess]:
    """The model of the soaks, in a process of its own."""
    with model_process() as process:
        yield process
