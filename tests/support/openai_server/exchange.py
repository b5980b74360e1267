"""One reply on one connection: its pace, its holds and its faults, byte by byte."""

import asyncio
import time
import uuid
from collections.abc import Coroutine
from typing import Any, NoReturn

from .chunks import Rendering, encode, event
from .failures import error_object
from .recording import Recorded, Recording
from .script import Reply
from .watched import Gate
from .wire import LAST_CHUNK, Connection, http_chunk

STREAM_HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "transfer-encoding": "chunked",
}
STREAM_ERROR = error_object(
    "The server had an error while processing your request.", "server_error", "server_error"
)
PING = ": ping"


class Exchange:
    """Send one reply to one request.

    What a client can see is recorded before it is sent: who has the last byte finds the request complete.
    """

    def __init__(
        self, connection: Connection, reply: Reply, recorded: Recorded, recording: Recording
    ) -> None:
        self._recording = recording
        self._connection = connection
        self._reply = reply
        self._recorded = recorded
        self._rendering = Rendering(reply, recorded.body)
        self._due = time.monotonic()

    async def run(self) -> None:
        """Send the reply to its end; raise Dropped where the script cuts the connection."""
        reply = self._reply
        await self._delay(reply.header_delay)
        await self._hold(reply.hold_before_headers)
        if reply.drop_before_headers:
            self._drop()
        if reply.body is not None:
            await self._send_whole(self._headers({}), reply.body.encode())
        elif self._recorded.body.get("stream"):
            await self._stream()
        else:
            await self._whole()

    async def _stream(self) -> None:
        reply, rendering = self._reply, self._rendering
        self._recorded.status = reply.status
        await self._connection.send_head(reply.status, self._headers(STREAM_HEADERS))
        if reply.role == "at_once":
            await self._event(encode(rendering.role_chunk()))
        await self._pinging(self._delay(reply.first_token_delay))
        await self._pinging(self._hold(reply.hold_before_first_token))
        if reply.drop_before_first_token:
            self._drop()
        if reply.role == "first_token":
            await self._event(encode(rendering.role_chunk()))
        for at, delta in enumerate(rendering.tokens()):
            if at:
                await self._pinging(self._delay(reply.token_delay))
            if await self._faults(at, delta):
                return
            self._count_token()
            await self._event(encode(rendering.chunk(delta)))
        if not await self._faults(reply.token_count, {}):
            await self._close_stream()

    async def _faults(self, at: int, delta: dict[str, Any]) -> bool:
        """Do what the script says before token `at`; return True when that ended the stream."""
        reply = self._reply
        if reply.hold_after == at:
            await self._pinging(self._hold(reply.gate))
        if reply.drop_after == at:
            if reply.drop_half:
                data = event(encode(self._rendering.chunk(delta)), reply.newline)
                await self._bytes(data[: len(data) // 2])
            self._drop()
        if reply.pings:
            await self._bytes(self._comment())
        if at in reply.empty_choices_at:
            await self._event(encode(self._rendering.empty_chunk()))
        if reply.malformed_at == at:
            await self._event(b"{not json")
        if reply.wrong_shape_at == at:
            await self._event(b'["not","a","chunk"]')
        if reply.error_chunk_at == at:
            await self._bytes(event(encode(STREAM_ERROR), reply.newline), LAST_CHUNK)
            return True
        return False

    async def _close_stream(self) -> None:
        """Send the tail in one write, unless something stands in it: clients leave at its first sign."""
        reply = self._reply
        tail = b"".join(event(encode(chunk), reply.newline) for chunk in self._rendering.closing_chunks())
        if reply.hold_before_done is not None:
            await self._bytes(tail)
            await self._pinging(self._hold(reply.hold_before_done))
            tail = b""
        if reply.done:
            tail += event(b"[DONE]", reply.newline)
        await self._bytes(tail, LAST_CHUNK)

    async def _whole(self) -> None:
        """Answer without streaming: the same faults, as far as one body can have them."""
        reply = self._reply
        await self._delay(reply.first_token_delay + reply.token_delay * max(reply.token_count - 1, 0))
        await self._hold(reply.hold_before_first_token)
        await self._hold(reply.gate if reply.hold_after is not None else None)
        body = encode(self._rendering.completion())
        if reply.malformed_at is not None:
            body = b"{not json"
        if reply.wrong_shape_at is not None:
            body = b'["not","a","completion"]'
        if reply.error_chunk_at is not None:
            body = encode(STREAM_ERROR)
        headers = self._headers({"content-type": "application/json"})
        self._recorded.status = reply.status
        if reply.drop_before_first_token or reply.drop_after is not None:
            sent = b"" if reply.drop_before_first_token else body[: len(body) // 2]
            await self._connection.send_head(reply.status, {**headers, "content-length": str(len(body))})
            await self._connection.send(sent)
            self._drop()
        await self._send_whole(headers, body)

    async def _send_whole(self, headers: dict[str, str], body: bytes) -> None:
        self._recorded.status = self._reply.status
        self._recording.ended(self._recorded, "complete")
        await self._connection.send_whole(self._reply.status, headers, body)

    def _drop(self) -> NoReturn:
        self._recording.ended(self._recorded, "dropped")
        raise self._connection.drop(self._reply.drop_how)

    async def _event(self, data: bytes) -> None:
        await self._bytes(event(data, self._reply.newline))

    async def _bytes(self, data: bytes, ending: bytes = b"") -> None:
        """Send bytes of the stream in chunks of the scripted size, `ending` in one write with the last."""
        size = self._reply.split_bytes or max(len(data), 1)
        chunks = [http_chunk(data[at : at + size]) for at in range(0, len(data), size)] or [b""]
        chunks[-1] += ending
        for chunk in chunks[:-1]:
            await self._connection.send(chunk)
        if ending:
            self._recording.ended(self._recorded, "complete")
        await self._connection.send(chunks[-1])

    async def _delay(self, seconds: float) -> None:
        """Wait by the clock of the whole reply, so that a late wake-up does not shift all later tokens."""
        self._due += seconds
        if (rest := self._due - time.monotonic()) > 0:
            await asyncio.sleep(rest)

    async def _hold(self, gate: Gate | None) -> None:
        if gate is not None:
            await gate.pass_through()
            self._due = time.monotonic()

    async def _pinging(self, waiting: Coroutine[Any, Any, None]) -> None:
        every = self._reply.ping_every
        if every is None:
            await waiting
            return
        task = asyncio.ensure_future(waiting)
        try:
            while not (await asyncio.wait({task}, timeout=every))[0]:
                await self._bytes(self._comment())
        finally:
            task.cancel()

    def _comment(self) -> bytes:
        return (PING + self._reply.newline * 2).encode()

    def _count_token(self) -> None:
        self._recorded.tokens_sent += 1
        if self._recorded.first_token_at is None:
            self._recorded.first_token_at = time.monotonic()

    def _headers(self, headers: dict[str, str]) -> dict[str, str]:
        return {"x-request-id": f"req_{uuid.uuid4().hex}", **headers, **self._reply.headers}
