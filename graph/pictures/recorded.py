"""A recorded turn: plain data for pictures, from events, a live run or checkpoints."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...nodes.turn.events import (
    Event,
    Speech,
    ToolFinished,
    ToolStarted,
    TurnFailed,
    TurnFinished,
    decode_event,
)
from ...state.errors import InvalidInput

LOOP = ("rebuild_memory", "call_llm", "execute_tool", "heartbeat")
LAST = "persist_and_trim"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A step or a tool run of a turn; `status` is that of a tool, empty for a step.

    Times are in seconds, `began` counted from the user's message; `None` if unknown.
    """

    name: str
    began: float | None = None
    seconds: float | None = None
    status: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedTurn:
    """A recorded turn. Times are in seconds since the user's message.

    `speech` holds the time of each piece of speech, `window` the number of messages in the window afterwards.
    `finish_reason` is `None` for a turn that a crash cut off, `error` for one that failed.
    """

    steps: tuple[Span, ...]
    tools: tuple[Span, ...] = ()
    speech: tuple[float, ...] = ()
    first_speech_seconds: float | None = None
    seconds: float | None = None
    finish_reason: str | None = None
    window: int | None = None


Turnlike = RecordedTurn | Event | Iterable[Event | dict[str, Any]]
"""A recorded turn, its last event, or all events of a turn, typed or as plain dicts."""


def as_recorded(turn: Turnlike) -> RecordedTurn:
    """Return the turn as a `RecordedTurn`, as far as it is known.

    Raises `InvalidInput` for events without `TurnFinished` or `TurnFailed`: the turn has not ended.
    """
    if isinstance(turn, RecordedTurn):
        return turn
    given = [turn] if isinstance(turn, Event) else turn
    events = [event if isinstance(event, Event) else decode_event(event) for event in given]
    return from_events([event for event in events if event is not None])


def from_events(events: Sequence[Event]) -> RecordedTurn:
    """Return the turn that these events describe: its path and tools, without times of steps."""
    end = events[-1] if events else None
    if not isinstance(end, TurnFinished | TurnFailed):
        raise InvalidInput("these are not all events of a turn: the last one must be its end")
    spoken = [event for event in events if not isinstance(event, TurnFinished | TurnFailed)]
    in_tools = bool(spoken) and isinstance(spoken[-1], ToolStarted | ToolFinished)
    reason = end.finish_reason if isinstance(end, TurnFinished) else "error"
    return RecordedTurn(
        steps=tuple(Span(name=name) for name in path(end.steps, None, in_tools=in_tools)),
        tools=tuple(
            Span(name=event.name, seconds=event.seconds, status=event.status)
            for event in events
            if isinstance(event, ToolFinished)
        ),
        first_speech_seconds=end.first_speech_seconds,
        seconds=end.seconds,
        finish_reason=reason,
    )


def path(model_calls: int, upcoming: str | None, *, in_tools: bool) -> list[str]:
    """Return the steps of a turn with this number of model calls, up to the step that is `upcoming`.

    `None` means that the turn has ended. `in_tools`: its last model call led to tools, not to its end.
    """
    steps: list[str] = []
    end = LAST if upcoming is None else upcoming
    while True:
        for step in LOOP:
            enough = steps.count("call_llm") >= model_calls
            if enough and (step == end or (end == LAST and _leaves(steps, in_tools=in_tools))):
                return [*steps, LAST] if upcoming is None else steps
            steps.append(step)


def _leaves(steps: Sequence[str], *, in_tools: bool) -> bool:
    return bool(steps) and steps[-1] == ("heartbeat" if in_tools else "call_llm")


def timed(events: Sequence[tuple[float, Event]], steps: Sequence[Span], window: int | None) -> RecordedTurn:
    """Return a turn from its timed events and observed steps."""
    told = from_events([event for _, event in events])
    began = {event.tool_call_id: at for at, event in events if isinstance(event, ToolStarted)}
    tools = tuple(
        Span(
            name=event.name,
            began=began.get(event.tool_call_id),
            seconds=event.seconds,
            status=event.status,
        )
        for _, event in events
        if isinstance(event, ToolFinished)
    )
    speech = tuple(at for at, event in events if isinstance(event, Speech))
    return replace(told, steps=tuple(steps), tools=tools, speech=speech, window=window)
