"""The events of a turn.

Inside the graph they are objects. In LangGraph's `custom` stream each is a plain dict with its `type`. Only
speech has a `content` key: hosts read anything with that key aloud.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ...state.usage import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """Text to speak at once; the joined contents of a turn are everything that the caller hears."""

    content: str
    type: Literal["speech"] = "speech"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolStarted:
    """A tool has started."""

    tool_call_id: str
    name: str
    arguments: Mapping[str, Any]
    type: Literal["tool_started"] = "tool_started"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFinished:
    """A tool call has ended after `seconds`; `message` explains a failure to developers."""

    tool_call_id: str
    name: str
    status: str
    seconds: float
    message: str | None = None
    type: Literal["tool_finished"] = "tool_finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRequested:
    """The model called a tool of the client, which runs it and sends the result with its next request."""

    tool_call_id: str
    name: str
    arguments: Mapping[str, Any]
    type: Literal["tool_requested"] = "tool_requested"


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnFinished:
    """The last word has been sent; storing follows.

    `first_speech_seconds` (`None` if nothing was spoken) and `seconds` count from the user's message.
    """

    turn_id: str
    finish_reason: str
    usage: Usage
    steps: int
    first_speech_seconds: float | None
    seconds: float
    type: Literal["turn_finished"] = "turn_finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnFailed:
    """The turn failed; `error` is a stable code, `message` a safe sentence for developers."""

    turn_id: str
    error: str
    message: str
    usage: Usage
    steps: int
    first_speech_seconds: float | None
    seconds: float
    type: Literal["turn_failed"] = "turn_failed"


Event = Speech | ToolStarted | ToolFinished | ToolRequested | TurnFinished | TurnFailed

_KINDS: dict[str, type[Event]] = {
    "speech": Speech,
    "tool_started": ToolStarted,
    "tool_finished": ToolFinished,
    "tool_requested": ToolRequested,
    "turn_finished": TurnFinished,
    "turn_failed": TurnFailed,
}


def encode_event(event: Event) -> dict[str, Any]:
    """Return the event as a plain dict for LangGraph's `custom` stream."""
    if isinstance(event, Speech):  # There is one per token, and `asdict` is slow.
        return {"content": event.content, "type": "speech"}
    return asdict(event)


def decode_event(data: object) -> Event | None:
    """Return the event in a part of the `custom` stream, encoded or not, else `None`."""
    if isinstance(data, Event):
        return data
    if not isinstance(data, dict):
        return None
    fields: dict[str, Any] = data  # pyright: ignore[reportUnknownVariableType]
    kind = _KINDS.get(str(fields.get("type")))
    try:
        return kind(**fields) if kind else None
    except TypeError:  # Another library's event with the same name.
        return None
