"""The application: all routes, over the graph of a process."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from ..turns.turn_graph import TurnGraph
from .access.body_limit import BodyLimit
from .access.client_paths import BrowserAccess, ClientPaths
from .access.keyring import Keyring
from .access.rates import Rates
from .api import agent_blocks, agents, blocks, memory, models, passages, search, thread_turns, threads
from .chat import chat_completions
from .chat.conversation_style import Styles
from .chat.served_turn import ServedTurns
from .chat.side_calls import SideCalls
from .chat.spoken_failure import speak_failures
from .errors import answer_errors
from .operation import documentation, health
from .operation.metrics import Metrics
from .operation.readiness import WriteProbe

_ABOUT = """
Voice agents with memory. Voice clients talk to them through OpenAI's chat completions; this API also manages
their memory. Each request acts for the user of its key and sees no other user's data.

Errors are OpenAI's error object: `{"error": {"message", "type", "param", "code"}}`. Lists come in pages: pass
the last id as `after` to get the next one.
"""

ROUTERS: tuple[APIRouter, ...] = (
    chat_completions.router,
    models.router,
    agents.router,
    agent_blocks.router,
    blocks.router,
    thread_turns.router,  # Before the threads, whose ids may contain slashes.
    threads.router,
    search.router,
    passages.router,
    memory.router,
    health.router,
    documentation.router,
)
"""All routes, in the order of the documentation."""


def create_app(graph: TurnGraph, metrics: Path | None = None) -> FastAPI:
    """Return the application that serves `graph`; the caller opens and closes the graph's resources.

    With a folder for `metrics`, these cover all processes that share it. `app.state.draining` is initially
    false; set it when the process is about to end, and `/ready` reports it.
    """
    settings = graph.resources.settings
    app = FastAPI(
        title="voicegraph",
        version=version("voicegraph"),
        description=_ABOUT,
        lifespan=_lifespan,
        openapi_url=None,  # The schema and the documentation page need access control.
        redirect_slashes=False,
        routes=_API.routes,
        # Its exception records contain callers' words.
        telemetry={"logs": False, "operation_spans": False},
    )
    app.state.graph = graph
    app.state.keyring = Keyring(graph.resources.store.database)
    app.state.metrics = Metrics(graph.resources.threads.count, metrics)
    graph.resources.store.database.health.watch(app.state.metrics.storage_failed)
    styles = Styles()
    graph.resources.crashed.tell(app.state.metrics.note_crashed)
    app.state.turns = ServedTurns(graph, app.state.metrics, styles)
    app.state.side_calls = SideCalls(graph, styles)
    app.state.storing = WriteProbe(graph.resources)
    app.state.rates = Rates(settings.requests_per_minute, shared=metrics)
    app.state.forgetting = asyncio.Lock()
    app.state.draining = False
    app.add_middleware(BodyLimit, limit=settings.max_body_bytes)
    app.add_middleware(ClientPaths)
    app.add_middleware(BrowserAccess)
    answer_errors(app)
    speak_failures(app)
    return app


def _operation_id(route: APIRoute) -> str:
    """Return the function's name, with a second name for a route's older path."""
    return f"{route.name}_voice_beta" if "/voice-beta/" in route.path_format else route.name


# FastAPI resolves each included route on first access, in 2 ms: do it now, once for all applications, and not
# in the first request.
_API = APIRouter(generate_unique_id_function=_operation_id)
for _router in ROUTERS:
    _API.include_router(_router)
for _route in _API.routes:
    _route.matches({"type": "http", "method": "GET", "path": "/"})


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Watch keys and running turns while the server runs, so that no request has to."""
    watching = [
        asyncio.create_task(app.state.keyring.watch()),
        asyncio.create_task(app.state.metrics.watch()),
    ]
    try:
        yield
    finally:
        for task in watching:
            task.cancel()
        await asyncio.wait(watching)
