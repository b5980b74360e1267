"""Connections that send too much, too slowly or too often, before anything is known of a request."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from voicegraph.graph.server.access.bounded_protocol import Bounds, bounded_protocol

BOUNDS = {"head_bytes": 2_000, "head_seconds": 60.0, "body_seconds": 60.0, "idle_seconds": 60.0}
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the length of the body."""
    if scope["path"] == "/slow":
        await asyncio.sleep(0.05)
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    body = b"%d" % size
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def connected(**bounds: Any) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect to a server with these bounds."""
    protocol = bounded_protocol(Bounds(**{**BOUNDS, **bounds}))
    config = uvicorn.Config(echo, http=protocol, log_config=None)
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: protocol(config, state, {}), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    try:
        yield reader, writer
    finally:
        writer.close()
        server.close()
        for connection in list(state.connections):
            connection.transport.abort()  # type: ignore[union-attr]
        await server.wait_closed()


async def answered(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Return the status and the body of the next answer."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return int(head.split()[1]), await reader.readexactly(int(length.partition(b":")[2]))


async def send(writer: asyncio.StreamWriter, data: bytes) -> None:
    """Send bytes until the other side has had enough."""
    with suppress(ConnectionError):
        writer.write(data)
        await writer.drain()


async def test_requests_within_the_bounds_are_answered_one_after_another() -> None:
    async with connected() as (reader, writer):
        for _ in range(3):
            for request, size in ((GET, b"0"), (POST + b"hello", b"5")):
                writer.write(request)
                assert await answered(reader) == (200, size)
        writer.write(CHUNKED + b"5000\r\n" + bytes(0x5000) + b"\r\n0\r\nX-Sum: 1\r\n\r\n")
        assert await answered(reader) == (200, b"20480")
        writer.write(CHUNKED + b"".join(b"4\r\nword\r\n" for _ in range(150)) + b"0\r\n\r\n")
        assert await answered(reader) == (200, b"600")


@pytest.mark.parametrize(
    "data",
    [
        b"GET /" + b"a" * 3_000,
        b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: " + b"a" * 3_000,
        b"GET / HTTP/1.1\r\n" + b"X-Small: a\r\n" * 300,
        CHUNKED + b"5\r\nhello\r\n0\r\nX-Trailer: " + b"a" * 3_000,
        CHUNKED + b"1;" + b"a" * 3_000,
    ],
    ids=["a long path", "a long header", "many headers", "a long trailer", "a long extension of a chunk"],
)
@pytest.mark.parametrize("piece", [100, 10_000])
async def test_a_head_without_an_end_is_refused(data: bytes, piece: int) -> None:
    async with connected() as (reader, writer):
        for start in range(0, 2_100, piece):  # More would be met by a reset of the connection.
            await send(writer, data[start : min(start + piece, 2_100)])
        assert (await answered(reader))[0] == 400
        assert await reader.read() == b""


async def test_a_client_that_reads_nothing_may_send_no_more_than_a_few_requests() -> None:
    async with connected() as (reader, writer):
        await send(writer, GET * 1_000)
        answers = await reader.read()
        assert b"400 Bad Request" in answers
        assert answers.count(b"200 OK") <= 9


async def test_a_few_requests_at_once_are_answered() -> None:
    async with connected() as (reader, writer):
        writer.write(GET * 5)
        assert [await answered(reader) for _ in range(5)] == [(200, b"0")] * 5


@pytest.mark.parametrize(
    ("sent", "bounds"),
    [
        (b"", {"idle_seconds": 0.05}),
        (b"GET / HT", {"head_seconds": 0.05}),
        (GET + b"GET / HT", {"head_seconds": 0.05}),
        (POST + b"hel", {"body_seconds": 0.05}),
        (CHUNKED + b"5\r\nhello\r\n", {"body_seconds": 0.05}),
    ],
    ids=["nothing", "half a head", "half a second head", "half a body", "half of the chunks"],
)
async def test_a_client_that_takes_too_long_loses_its_connection(
    sent: bytes, bounds: dict[str, float]
) -> None:
    async with connected(**bounds) as (reader, writer):
        writer.write(sent)
        answers = await reader.read()
        assert answers.count(b"HTTP/1.1") == bool(sent) + sent.startswith(GET)


async def test_an_answer_may_take_longer_than_its_request() -> None:
    async with connected(head_seconds=0.01, body_seconds=0.01, idle_seconds=0.01) as (reader, writer):
        writer.write(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        assert await answered(reader) == (200, b"0")
