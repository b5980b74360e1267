"""The application over a real database, spoken to over HTTP without a socket."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from open_voice import OpenVoice
from openai_server import OpenAIServer, text
from served_app import Serve, Served
from soaking.model_process import ModelProcess, model_process

from voicegraph.graph import build_graph
from voicegraph.graph.server.app import create_app
from voicegraph.nodes.model.request.request_form import OPENAI
from voicegraph.nodes.testing import ScriptedChatModel


@pytest.fixture
def serve(open_voice: OpenVoice) -> Serve:
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
