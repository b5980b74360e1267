"""Serve an application on a real socket in the event loop of a test, and send requests from a thread."""

import asyncio
import http.client
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class Here:
    """A server on loopback in this process."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def post(self, path: str, body: bytes, **headers: str) -> Answer:
        """Send a body from a thread: sending takes no time of the event loop, and does not hold it up."""
        return await asyncio.to_thread(self._ask, "POST", path, body, headers)

    async def get(self, path: str) -> Answer:
        """Ask for a path."""
        return await asyncio.to_thread(self._ask, "GET", path, None, {})

    def _ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        try:
            sent = {"Content-Type": "application/json", **headers}
            connection.request(
                method, path, body, {key.replace("_", "-"): value for key, value in sent.items()}
            )
            answer = connection.getresponse()
            return Answer(answer.status, answer.read(), dict(answer.headers.items()))
        finally:
            connection.close()


class _Server(uvicorn.Server):
    def install_signal_handlers(self) -> None:
        """Leave the signals to the test run."""

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        await self._serve(sockets)


@asynccontextmanager
async def serving_here(app: Any) -> AsyncIterator[Here]:
    """Serve the application until the end of the body."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(app, http="httptools", ws="none", log_config=None, access_log=False)
        server = _Server(config)
        running = asyncio.create_task(server.serve([listening]))
        try:
            while not server.started:
                await asyncio.sleep(0)
            yield Here(listening.getsockname()[1])
        finally:
            server.should_exit = True
            await running
