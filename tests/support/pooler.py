"""A pooler between clients and a PostgreSQL server, as PgBouncer is one, by the protocol that both speak.

It tells clients numbers of server processes that it invents. In transaction mode all clients share one
connection to the server, each for one transaction at a time; prepared statements are not kept apart.
"""

import asyncio
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Literal
from urllib.parse import urlsplit

_SSL, _GSS, _CANCEL = 80877103, 80877104, 80877102
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Pooler:
    """Serves clients at `url`."""

    def __init__(self, server_url: str, mode: Literal["session", "transaction"]) -> None:
        self._target, self._mode = urlsplit(server_url), mode
        self._shared: Streams | None = None
        self._greeting = b""
        self._one_at_a_time = asyncio.Lock()
        self._invented = 1_000_000
        self._serving: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Where clients are to connect to."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        return self._target._replace(netloc=f"postgres@127.0.0.1:{port}").geturl()

    async def open(self) -> None:
        """Begin to take connections."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def close(self) -> None:
        """Cut off all."""
        assert self._server is not None
        self._server.close()
        for task in self._serving:
            task.cancel()
        if self._serving:
            await asyncio.wait(self._serving)
        if self._shared is not None:
            self._shared[1].close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        streams: list[Streams] = []
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                startup = await _startup(reader, writer)
                if startup is None:
                    return
                if self._mode == "session":
                    server, greeting = await self._connected(startup)
                    streams.append(server)
                    writer.write(self._with_invented_number(greeting))
                    await _both_ways((reader, writer), server)
                else:
                    async with self._one_at_a_time:
                        if self._shared is None:
                            self._shared, self._greeting = await self._connected(startup)
                    writer.write(self._with_invented_number(self._greeting))
                    await self._lend(self._shared, (reader, writer))
        finally:
            self._serving.discard(task)
            for _, opened in [*streams, (reader, writer)]:
                opened.close()

    async def _connected(self, startup: bytes) -> tuple[Streams, bytes]:
        """Connect to the server; return the connection and all that the server says until it is ready."""
        server = await asyncio.open_connection(self._target.hostname, self._target.port)
        server[1].write(startup)
        greeting = b""
        while True:
            kind, frame = await _frame(server[0])
            greeting += frame
            if kind in b"ZE":
                return server, greeting

    def _with_invented_number(self, greeting: bytes) -> bytes:
        self._invented += 1
        place = greeting.index(b"K\0\0\0\x0c") + 5
        return greeting[:place] + struct.pack("!i", self._invented) + greeting[place + 4 :]

    async def _lend(self, server: Streams, client: Streams) -> None:
        """Pass on one transaction after another."""
        while True:
            kind, frame = await _frame(client[0])
            if kind == b"X":
                return
            async with self._one_at_a_time:
                state = b"T"
                while state != b"I":
                    server[1].write(frame)
                    while kind not in b"QS":
                        kind, frame = await _frame(client[0])
                        server[1].write(frame)
                    state = await _answer(server[0], client[1])
                    if state != b"I":
                        kind, frame = await _frame(client[0])


async def _startup(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes | None:
    """Return the message that begins a session, `None` for a request to cancel one."""
    while True:
        length = await reader.readexactly(4)
        rest = await reader.readexactly(struct.unpack("!i", length)[0] - 4)
        [code] = struct.unpack("!i", rest[:4])
        if code in (_SSL, _GSS):
            writer.write(b"N")
        else:
            return None if code == _CANCEL else length + rest


async def _frame(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readexactly(5)
    return head[:1], head + await reader.readexactly(struct.unpack("!i", head[1:])[0] - 4)


async def _answer(reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> bytes:
    """Pass the server's answer on; return the state of the transaction after it."""
    while True:
        kind, frame = await _frame(reader)
        client.write(frame)
        if kind == b"Z":
            return frame[5:6]


async def _both_ways(client: Streams, server: Streams) -> None:
    there = asyncio.create_task(_pass_on(client[0], server[1]))
    back = asyncio.create_task(_pass_on(server[0], client[1]))
    try:
        await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        there.cancel()
        back.cancel()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while said := await reader.read(65536):
            writer.write(said)


@asynccontextmanager
async def pooler_before(url: str, mode: Literal["session", "transaction"]) -> AsyncGenerator[Pooler]:
    """Give a pooler before the server at `url`, open during the body."""
    pooler = Pooler(url, mode)
    await pooler.open()
    try:
        yield pooler
    finally:
        await pooler.close()
