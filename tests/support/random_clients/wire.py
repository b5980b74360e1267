"""Requests to the application without a socket, by clients that leave whenever they like."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Answer:
    """What came back."""

    status: int = 0
    thread: str | None = None
    pieces: list[str] = field(default_factory=list[str])
    calls: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    body: bytes = b""
    has_ended: bool = False
    _more: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the client leaves."""

    @property
    def text(self) -> str:
        """All that came of the reply."""
        return "".join(self.pieces).strip()

    async def until(self, size: int) -> None:
        """Wait for the headers and so many pieces of the reply."""
        while not self.has_ended and (not self.status or len(self.pieces) < size):
            self._more.clear()
            await self._more.wait()

    def note(self) -> None:
        """Wake those who wait."""
        self._more.set()


async def post(
    app: Any,
    path: str,
    body: Mapping[str, Any],
    headers: Mapping[str, str],
    answer: Answer | None = None,
    leave_after: int | None = None,
) -> Answer:
    """Send a request and return its answer; the client leaves after so many pieces of the reply.

    It leaves at once with 0. What is sent after that nobody gets.
    """
    answer = answer or Answer()
    sent = [{"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}]

    async def receive() -> dict[str, Any]:
        if sent:
            return sent.pop()
        await answer.left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            told = dict(message["headers"])
            answer.thread = told.get(b"x-thread-id", b"").decode() or None
        else:
            answer.body += message["body"]
            _read(answer, message["body"])
        answer.note()
        if leave_after is not None and len(answer.pieces) >= leave_after:
            answer.left.set()
        if answer.left.is_set():
            await asyncio.Event().wait()  # Nobody reads any more.

    try:
        await app(_scope(path, headers), receive, send)
    finally:
        answer.has_ended = True
        answer.note()
    if not answer.pieces and answer.body.startswith(b"{"):
        _read_whole(answer)
    return answer


def _scope(path: str, headers: Mapping[str, str]) -> dict[str, Any]:
    told = {"host": "localhost", "content-type": "application/json", **headers}
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in told.items()],
        "client": ("127.0.0.1", 50000),
        "server": ("localhost", 80),
    }


def _read(answer: Answer, sent: bytes) -> None:
    """Read the chunks of a stream; each comes whole."""
    for line in sent.decode().split("\n"):
        for choice in json.loads(line[6:]).get("choices", ()) if line.startswith("data: {") else ():
            delta = choice["delta"]
            answer.pieces += [delta["content"]] if delta.get("content") else []
            answer.calls += delta.get("tool_calls", ())


def _read_whole(answer: Answer) -> None:
    choices = json.loads(answer.body).get("choices")
    if choices:
        message = choices[0]["message"]
        answer.pieces += [message["content"]] if message.get("content") else []
        answer.calls += message.get("tool_calls") or ()
