"""HTTP/1.1 by hand, so that every byte and every fault is the script's own."""

import asyncio
import json
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

LIMIT = 1 << 20
"""Bytes of a request's head; bodies may be larger."""


class Dropped(Exception):
    """The server has cut the connection, as the script says."""


@dataclass(frozen=True)
class Request:
    """One HTTP request; header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Connection(asyncio.StreamReaderProtocol):
    """One client's connection: its streams, and the moment at which the client left."""

    def __init__(self, serve: Callable[["Connection"], None], loop: asyncio.AbstractEventLoop) -> None:
        reader = asyncio.StreamReader(limit=LIMIT, loop=loop)
        super().__init__(reader, self._open, loop)
        self._serve = serve
        self.left_at: float | None = None
        """When the client closed its side (`time.monotonic()`), also in the middle of an answer."""
        self.on_leave: Callable[[], object] | None = None
        self.lost = loop.create_future()

    def _open(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        writer.transport.set_write_buffer_limits(high=0)  # so that `drain` means: it is in the socket
        self._serve(self)

    def eof_received(self) -> bool | None:
        """Note that the client has closed its side."""
        self._leave()
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection is gone."""
        self._leave()
        super().connection_lost(exc)
        if not self.lost.done():
            self.lost.set_result(None)

    def _leave(self) -> None:
        if self.left_at is None:
            self.left_at = time.monotonic()
            if self.on_leave is not None:
                self.on_leave()

    async def read_request(self) -> Request | None:
        """Return the next request, None when the client has no more."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
            method, path, _ = first.split(" ", 2)
            if path.startswith("http://"):  # As to a proxy.
                path = f"/{path.split('/', 3)[3]}"
            headers = {
                name.strip().lower(): value.strip()
                for name, _, value in (line.partition(":") for line in lines)
            }
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        return Request(method, path, headers, body)

    async def send(self, data: bytes) -> None:
        """Write bytes and wait until the socket has taken them."""
        self.writer.write(data)
        await self.writer.drain()

    async def send_head(self, status: int, headers: dict[str, str]) -> None:
        """Write the status line and the headers."""
        await self.send(head(status, headers))

    async def send_whole(self, status: int, headers: dict[str, str], body: bytes) -> None:
        """Write an answer of known length at once."""
        await self.send(head(status, {**headers, "content-length": str(len(body))}) + body)

    def drop(self, how: str) -> Dropped:
        """Cut the connection by a TCP reset or a plain close, and return what to raise."""
        if how == "reset":
            connection: socket.socket = self.writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.writer.transport.abort()
        else:
            self.writer.close()
        return Dropped(how)


def head(status: int, headers: dict[str, str]) -> bytes:
    """Return the bytes before the body."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def http_chunk(data: bytes) -> bytes:
    """Return one chunk of the chunked transfer encoding."""
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"


def parse_json(body: bytes) -> object:
    """Return the JSON value; raise ValueError for what OpenAI cannot read, lone surrogates included."""
    value = json.loads(body)
    if b"\\ud" in body or b"\\uD" in body:
        json.dumps(value, ensure_ascii=False).encode()  # UnicodeEncodeError is a ValueError
    return value
