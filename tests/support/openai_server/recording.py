"""What the server saw: each request, and how it ended."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from .watched import Watched

Finished = Literal["complete", "client_closed", "dropped"]


@dataclass
class Recorded:
    """One request for a completion; times are `time.monotonic()`."""

    index: int
    body: dict[str, Any]
    headers: dict[str, str]
    received_at: float
    status: int | None = None
    """The HTTP status sent, None while there is none."""
    violations: list[str] = field(default_factory=list[str])
    tokens_sent: int = 0
    first_token_at: float | None = None
    finished: Finished | None = None
    """Who ended it: the server as it should, the client by leaving, the server by a drop or its own stop."""
    closed_at: float | None = None

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The conversation that was sent."""
        return self.body.get("messages") or []


class Recording:
    """All requests in the order of their arrival, to be waited on from any thread or event loop."""

    def __init__(self, log: Path | None = None) -> None:
        self.requests: list[Recorded] = []
        self._watched = Watched()
        self._log = None if log is None else log.open("a", encoding="utf-8")

    def arrived(self, body: dict[str, Any], headers: dict[str, str]) -> Recorded:
        """Record a new request."""
        recorded = Recorded(len(self.requests), body, headers, time.monotonic())
        self.requests.append(recorded)
        self._write("request", recorded, body=body, headers=headers, received_at=recorded.received_at)
        self._watched.changed()
        return recorded

    def ended(self, recorded: Recorded, finished: Finished, at: float | None = None) -> None:
        """Record the end of a request, at a time that may lie a little back."""
        if recorded.finished is not None:
            return
        recorded.closed_at = time.monotonic() if at is None else at
        recorded.finished = finished
        details = {
            name: getattr(recorded, name) for name in ("status", "violations", "tokens_sent", "closed_at")
        }
        self._write("finished", recorded, finished=finished, **details)
        self._watched.changed()

    def wait(self, ready: Callable[[], bool], within: float, what: str) -> None:
        """Block until `ready()`, looked at after each change."""
        self._watched.wait(ready, within, what)

    async def async_wait(self, ready: Callable[[], bool], within: float, what: str) -> None:
        """Do as `wait` does without blocking the event loop."""
        await self._watched.async_wait(ready, within, what)

    def changed(self) -> None:
        """Wake those who wait for something else, such as the number of connections."""
        self._watched.changed()

    def close(self) -> None:
        """Close the log."""
        if self._log is not None:
            self._log.close()

    def _write(self, event: str, recorded: Recorded, **values: Any) -> None:
        if self._log is not None:
            self._log.write(json.dumps({"event": event, "index": recorded.index, **values}) + "\n")
            self._log.flush()
