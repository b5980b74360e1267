"""A model server that costs next to nothing: what is measured beside it is the client.

`python -m benchmarks.mock_model` prints its port. The last user message tells how to answer: `[[burst 200]]`
is 200 tokens in one write, `[[paced 50]]` 50 tokens at a real model's pace, `[[tool 20]]` a tool call first
and then 20 tokens at once.
"""

import asyncio
import re
from collections.abc import Callable
from functools import cache

FIRST_TOKEN = 0.3
EVERY_TOKEN = 0.02
"""Seconds, of a paced reply."""

_ORDER = re.compile(rb"\[\[(burst|paced|tool) (\d+)\]\]")
_ROLES = re.compile(rb'"role": ?"(user|tool)"')
_LENGTH = re.compile(rb"content-length: ?(\d+)", re.IGNORECASE)
_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
)
_FRAME = (
    b'{"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":"chat.completion.chunk","created":1760000000,'
    b'"model":"mock","service_tier":"default","system_fingerprint":"fp_44709d6fcb","choices":%s,"usage":%s,'
    b'"obfuscation":"kB4pYx"}'
)
_CHOICE = b'[{"index":0,"delta":%s,"logprobs":null,"finish_reason":%s}]'
_USAGE = (
    b'{"prompt_tokens":900,"completion_tokens":%d,"total_tokens":1100,"prompt_tokens_details":'
    b'{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}}'
)


class Model(asyncio.Protocol):
    """One connection; requests come one after the other."""

    def __init__(self) -> None:
        self._got = bytearray()
        self._timers: list[asyncio.TimerHandle] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in self._timers:
            timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._got += data
        end = self._got.find(b"\r\n\r\n")
        if end < 0:
            return
        length = _LENGTH.search(self._got, 0, end)
        whole = end + 4 + (int(length[1]) if length else 0)
        if len(self._got) >= whole:
            body = bytes(self._got[end + 4 : whole])
            del self._got[:whole]
            self._answer(body)

    def _answer(self, body: bytes) -> None:
        orders = _ORDER.findall(body)
        kind, tokens = orders[-1] if orders else (b"burst", b"20")
        if kind == b"paced":
            self._pace(pieces(int(tokens)))
        elif kind == b"tool" and _ROLES.findall(body)[-1] == b"user":
            self._transport.write(tool_call(announced=b"pre_exec_msg" in body))
        else:
            self._transport.write(burst(int(tokens)))

    def _pace(self, writes: tuple[bytes, ...]) -> None:
        """Send by the clock of the whole reply, so that a late wake-up does not shift all later tokens."""
        loop = asyncio.get_running_loop()
        start = loop.time() + FIRST_TOKEN
        self._transport.write(_HEAD)
        self._timers = [
            loop.call_at(start + at * EVERY_TOKEN, self._transport.write, write)
            for at, write in enumerate(writes)
        ]


@cache
def pieces(tokens: int) -> tuple[bytes, ...]:
    """Return what is written for each token: the role goes with the first, the end with the last."""
    words = [_event(_CHOICE % (b'{"content":"word%d "}' % number, b"null")) for number in range(tokens)]
    words[0] = _event(_CHOICE % (b'{"role":"assistant","content":"","refusal":null}', b"null")) + words[0]
    words[-1] += _end(b'"stop"', tokens)
    return tuple(words)


@cache
def burst(tokens: int) -> bytes:
    """Return a whole answer."""
    return _HEAD + b"".join(pieces(tokens))


@cache
def tool_call(*, announced: bool) -> bytes:
    """Return an answer that asks for the weather; `announced` with a sentence to be spoken first."""
    arguments = (
        rb"{\"pre_exec_msg\":\"Let me look.\",\"city\":\"Rome\"}" if announced else rb"{\"city\":\"Rome\"}"
    )
    opening = b'"id":"call_Zk3oWm2x","type":"function","function":{"name":"get_weather","arguments":""}'
    deltas = [b'{"role":"assistant","content":null,"tool_calls":[{"index":0,%s}]}' % opening]
    for piece in re.findall(rb"(?:\\.|[^\\]){1,4}", arguments):
        deltas.append(b'{"tool_calls":[{"index":0,"function":{"arguments":"%s"}}]}' % piece)
    return (
        _HEAD + b"".join(_event(_CHOICE % (delta, b"null")) for delta in deltas) + _end(b'"tool_calls"', 20)
    )


def _end(reason: bytes, tokens: int) -> bytes:
    finish = _event(_CHOICE % (b"{}", reason))
    return finish + _event(b"[]", _USAGE % tokens) + _http_chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"


def _event(choices: bytes, usage: bytes = b"null") -> bytes:
    return _http_chunk(b"data: " + _FRAME % (choices, usage) + b"\n\n")


def _http_chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


async def serve(ready: Callable[[int], None]) -> None:
    """Serve on loopback until the process ends; `ready` is told the port."""
    server = await asyncio.get_running_loop().create_server(Model, "127.0.0.1", 0)
    ready(server.sockets[0].getsockname()[1])
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(lambda port: print(port, flush=True)))
