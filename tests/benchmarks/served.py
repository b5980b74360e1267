"""This project behind `voicegraph serve`, in a process of its own, and callers that cost little."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson

from .stopwatch import Heard, Stopwatch

_STORED = 0.01
"""Seconds after the end of the stream in which the turn is stored, so that it counts as this turn's."""


class Caller:
    """A client with a connection of its own; like all voice clients it sends the whole history each time."""

    def __init__(self, port: int, thread_id: str, window: int) -> None:
        self._port, self._thread_id, self._window = port, thread_id, window
        self._history: list[dict[str, str]] = []
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def turn(self, words: str) -> Heard:
        """Say something and listen to the end."""
        watch = Stopwatch()
        self._history.append({"role": "user", "content": words})
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(self._request())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        reply = ""
        async for line in _lines(reader):
            if line.startswith(b'data: {"'):
                choices: list[Any] = orjson.loads(line[6:])["choices"]
                text = choices[0]["delta"].get("content") if choices else None
                if text:
                    watch.word()
                    reply += text
        self._history.append({"role": "assistant", "content": reply})
        await asyncio.sleep(_STORED)
        return watch.heard()

    def _request(self) -> bytes:
        asked = {"model": "default", "stream": True, "messages": self._history[-self._window - 1 :]}
        body = orjson.dumps(asked)
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"X-Thread-Id: {self._thread_id}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    async def close(self) -> None:
        """Close the connection."""
        if self._streams is not None:
            self._streams[1].close()
            await self._streams[1].wait_closed()


async def _lines(reader: asyncio.StreamReader) -> AsyncGenerator[bytes]:
    """Yield the lines of a chunked body."""
    rest = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        chunk = await reader.readexactly(size + 2)
        *lines, rest = (rest + chunk[:-2]).split(b"\n")
        for line in lines:
            yield line
    await reader.readexactly(2)


@asynccontextmanager
async def server(folder: Path, **settings: Any) -> AsyncGenerator[tuple[int, int]]:
    """Start the server and give its port and its process; kill it at the end."""
    environment = {
        **os.environ,
        "VOICEGRAPH_CONSOLIDATE_AFTER": "3600",
        **{f"VOICEGRAPH_{name.upper()}": str(value) for name, value in settings.items()},
    }
    command = [sys.executable, "-m", "voicegraph.graph", "serve", "--port", "0"]
    command += ["--db", f"sqlite:///{folder}/voice.db", "--model", "openai:mock"]
    command += ["--tool", "benchmarks.weather:get_weather"]
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE, env=environment)
    assert process.stderr is not None
    try:
        line = (await process.stderr.readline()).decode()
        assert line.startswith("Listening at"), line
        yield int(line.split()[2].rpartition(":")[2]), process.pid
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def callers(port: int, window: int) -> AsyncGenerator[Any]:
    """Give the function that takes a turn of a session."""
    known: dict[str, Caller] = {}

    async def turn(session: str, words: str) -> Heard:
        if session not in known:
            known[session] = Caller(port, session, window)
        return await known[session].turn(words)

    try:
        yield turn
    finally:
        for caller in known.values():
            await caller.close()
