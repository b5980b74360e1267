"""A wire between a client and the server that notes when bytes come back."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit


class Wire:
    """What went over it: requests, and for each answer the times at which bytes of it came."""

    def __init__(self, url: str) -> None:
        self._to = urlsplit(url)
        self.url = ""
        self.requests: list[float] = []
        self.bytes_at: list[float] = []

    @property
    def longest_gap(self) -> float:
        """Seconds that the client was left without a byte while it waited for its answer's end."""
        times = [self.requests[-1], *(at for at in self.bytes_at if at > self.requests[-1])]
        return max(later - earlier for earlier, later in zip(times, times[1:], strict=False))

    async def _connect(self, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        server, forth = await asyncio.open_connection(self._to.hostname, self._to.port)
        try:
            await asyncio.gather(
                self._pass(client, forth, answer=False), self._pass(server, back, answer=True)
            )
        finally:
            for writer in (forth, back):
                writer.close()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answer: bool
    ) -> None:
        while data := await reader.read(65536):
            if answer:
                self.bytes_at.append(time.monotonic())
            elif data.startswith(b"POST"):
                self.requests.append(time.monotonic())
            writer.write(data)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def wire(url: str) -> AsyncIterator[Wire]:
    """Put a wire before the server at `url`; clients take the wire's own."""
    made = Wire(url)
    listening = await asyncio.start_server(made._connect, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    yield made
    listening.close()
