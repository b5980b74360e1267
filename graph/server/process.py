"""Run the server as a process, with a graceful shutdown that loses no turn."""

import asyncio
import gc
import logging
import multiprocessing
import signal
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import uvicorn

from ..resources import Resources
from ..settings import Settings
from ..turns.build_graph import build_graph
from .access.auth import requires_key
from .access.bounded_protocol import Bounds, bounded_protocol
from .app import create_app
from .listening import listen_at

try:
    import resource
except ImportError:  # Windows has no such limits.
    resource = None

log = logging.getLogger(__name__)

_KEEP_ALIVE = 75
"""Seconds that an idle connection stays open: opening one costs the caller a round trip."""

_MOST_FILES = 65_536
_OTHER_FILES = 200
"""Files reserved for other uses than client connections: databases, model servers, logs."""

FAREWELL = 5.0
"""Seconds for interrupted turns to send their end."""


async def serve(
    resources: Resources,
    host: str,
    port: int,
    *,
    ready: Callable[[str, bool], None] = lambda _url, _keys: None,
    listening: socket.socket | None = None,
    metrics: Path | None = None,
) -> None:
    """Serve the graph over `resources` until shutdown.

    Once it listens, `ready` is called with the address and whether keys are required; port 0 picks a free
    one. At SIGTERM or SIGINT no new turn is accepted; running ones have `shutdown_seconds` to end, then they
    are interrupted and stored. A worker gets the socket that is `listening`, shares its `metrics` in that
    folder, and ends when its parent process dies. Raises `InvalidSetting` for an address that others can
    reach while no key exists, for one where it cannot listen, and for an SQLite file that another process
    serves.
    """
    keyed = await requires_key(resources.store.database, host)
    resources.owner.serve()
    resources.models.get(None)  # Loading takes half a second: do it now, not in the first turn.
    app = create_app(build_graph(resources), metrics)
    # Imported objects stay alive: collecting garbage among them would block all calls for 0.1 s.
    gc.collect()
    gc.freeze()
    config = uvicorn.Config(
        app,
        http=bounded_protocol(_bounds(resources.settings)),
        limit_concurrency=_connections(resources.settings.max_connections),
        ws="none",
        log_config=None,
        access_log=False,  # Its lines contain what clients send in paths.
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=int(resources.settings.shutdown_seconds + FAREWELL) + 1,
    )
    listening = listening or listen_at(host, port)
    server = _Server(config, resources, app)
    try:
        with _ending_with_its_parent(server):
            ready(_address(listening), keyed)
            await server.serve(sockets=[listening])
    finally:
        listening.close()


def _bounds(settings: Settings) -> Bounds:
    return Bounds(
        head_bytes=settings.max_head_bytes,
        head_seconds=settings.head_seconds,
        body_seconds=settings.body_seconds,
        idle_seconds=_KEEP_ALIVE,
    )


def _connections(wanted: int) -> int:
    """Raise the limit of open files to its maximum, and return how many connections that allows."""
    if resource is None:
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = hard if hard != resource.RLIM_INFINITY else _MOST_FILES
    if soft != resource.RLIM_INFINITY and soft < most:
        soft = min(most, _MOST_FILES)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return wanted if soft == resource.RLIM_INFINITY else max(1, min(wanted, soft - _OTHER_FILES))


@contextmanager
def _ending_with_its_parent(server: "_Server") -> Generator[None]:
    """Stop a worker, once, when its parent process has died."""
    parent = multiprocessing.parent_process()
    if parent is None:
        yield
        return
    loop, sentinel = asyncio.get_running_loop(), parent.sentinel

    def end() -> None:
        loop.remove_reader(sentinel)
        server.handle_exit(signal.SIGTERM, None)

    loop.add_reader(sentinel, end)
    try:
        yield
    finally:
        loop.remove_reader(sentinel)


class _Server(uvicorn.Server):
    """Uvicorn's server with a graceful shutdown: it refuses new turns, and later stops running ones."""

    def __init__(self, config: uvicorn.Config, resources: Resources, app: object) -> None:
        super().__init__(config)
        self._resources, self._app = resources, app
        self._loop = asyncio.get_running_loop()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Handle SIGINT and SIGTERM; uvicorn would raise them again before everything is stored."""
        before = {sig: signal.signal(sig, self.handle_exit) for sig in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for sig, handler in before.items():
                signal.signal(sig, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Start the shutdown; a second signal ends at once, as in uvicorn."""
        if not self.should_exit:
            self._loop.call_soon_threadsafe(self._drain)
        super().handle_exit(sig, frame)

    def _drain(self) -> None:
        self._app.state.draining = True  # pyright: ignore[reportAttributeAccessIssue]
        log.info("the server is shutting down", extra={"turns": self._resources.threads.count()})
        self._loop.call_later(self._resources.settings.shutdown_seconds, self._resources.threads.stop_all)


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
