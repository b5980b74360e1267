"""What a turn tells its listeners while it runs.

In LangGraph's `custom` stream each event is a plain dict with its `type`. Only speech has a `content`
key: hosts read aloud whatever has one.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ...state.usage import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """Text to be spoken at once; the contents of a turn, joined, are all that the caller hears."""

    content: str
    type: Literal["speech"] = "speech"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolStarted:
    """A tool begins to run."""

    tool_call_id: str
    name: str
    arguments: Mapping[str, Any]
    type: Literal["tool_started"] = "tool_started"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFinished:
    """A tool has a result; `seconds` is how long it took, `message` says to developers why it is none."""

    tool_call_id: str
    name: str
    status: str
    seconds: float
    message: str | None = None
    type: Literal["tool_finished"] = "tool_finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRequested:
    """The model called a tool of the client: it runs it and brings the result with its next request."""

    tool_call_id: str
    name: str
    arguments: Mapping[str, Any]
    type: Literal["tool_requested"] = "tool_requested"


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnFinished:
    """The last word has left; storing goes on behind it.

    `first_speech_seconds` (`None` when nothing was spoken) and `seconds` count from the user's message.
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
    """The turn ended badly; `error` is a stable code, `message` a safe sentence for developers."""

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
    """Return the event as the plain dict that goes through LangGraph's `custom` stream."""
    if isinstance(event, Speech):  # There is one for each token: `asdict` takes its time.
        return {"content": event.content, "type": "speech"}
    return asdict(event)


def decode_event(data: object) -> Event | None:
    """Return the event in a part of the `custom` stream, or `None` when the part is not one of ours."""
    if not isinstance(data, dict):
        return None
    fields: dict[str, Any] = data  # pyright: ignore[reportUnknownVariableType]
    kind = _KINDS.get(str(fields.get("type")))
    try:
        return kind(**fields) if kind else None
    except TypeError:  # Somebody else's event of the same name.
        return None
