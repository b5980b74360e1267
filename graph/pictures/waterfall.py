"""Plot one turn over time: steps, tools and speech."""

from collections.abc import Sequence
from typing import Any

from ...state.errors import InvalidInput
from .picture import Plot
from .plotting import BLUE, GREEN, GREY, ORANGE, RED, SKY, label, new_axes
from .recorded import LAST, RecordedTurn, Span, Turnlike, as_recorded
from .turn_picture import duration

_LOOKS = {
    "rebuild_memory": (SKY, "////"),
    "call_llm": (BLUE, ""),
    "execute_tool": (GREEN, ".."),
    "heartbeat": (GREY, "xx"),
    LAST: (ORANGE, "\\\\\\\\"),
}
"""Colour and hatch of each step."""
_TOOL = (GREEN, "--")
_THINNEST, _THIN = 0.004, 0.03
"""Minimum width of a bar, so that a millisecond is visible, and of a hatched one, as shares of the whole."""


def plot_turn(turn: Turnlike) -> Plot:
    """Return a waterfall of a turn from `record_turn` or `last_turn`: steps, tools and speech over time.

    Raises `InvalidInput` if the times of its steps are unknown, as for bare events, and `MissingExtra`
    without the extra `viz`.
    """
    turn = as_recorded(turn)
    rows = _rows(turn)
    end = max((_end(span) for spans in rows.values() for span in spans), default=0.0)
    if not end:
        raise InvalidInput("the times of the steps are unknown: record the turn with record_turn")
    figure, axes = new_axes(8, 0.9 + 0.42 * (len(rows) + 1))
    for place, (name, spans) in enumerate(rows.items(), start=1):
        _draw_row(axes, place, spans, _LOOKS.get(name, _TOOL), end)
    _draw_speech(axes, turn)
    axes.set_yticks(range(len(rows) + 1), ["speech", *rows])
    axes.set_ylim(len(rows) + 0.6, -0.9)
    axes.set_xlim(0, end * 1.08)
    label(axes, x="seconds since the user's message")
    return Plot(figure, _summary(turn, end))


def _draw_row(axes: Any, place: int, spans: Sequence[Span], look: tuple[str, str], end: float) -> None:
    colour, hatch = look
    for span in spans:
        width = max(span.seconds or 0.0, _THINNEST * end)
        drawn = hatch if width > _THIN * end else ""
        axes.barh(place, width, left=span.began, height=0.6, color=colour, hatch=drawn, ec="white", lw=0)
    total, last = duration(sum(span.seconds or 0.0 for span in spans)), max(map(_end, spans))
    axes.annotate(total, (last, place), xytext=(5, 0), textcoords="offset points", va="center", fontsize=10)


def _rows(turn: RecordedTurn) -> dict[str, list[Span]]:
    """Return the rows to draw: steps in order of first appearance, tools under the step that runs them."""
    rows: dict[str, list[Span]] = {}
    for span in _known(turn.steps):
        rows.setdefault(span.name, []).append(span)
        if span.name == "execute_tool":
            for tool in _known(turn.tools):
                rows.setdefault(f"  {tool.name}", [])
    for tool in _known(turn.tools):
        rows.setdefault(f"  {tool.name}", []).append(tool)
    return rows


def _known(spans: Sequence[Span]) -> list[Span]:
    return [span for span in spans if span.began is not None and span.seconds is not None]


def _end(span: Span) -> float:
    return (span.began or 0.0) + (span.seconds or 0.0)


def _draw_speech(axes: Any, turn: RecordedTurn) -> None:
    """Draw each piece of speech as a tick, and lines at the first word and after the last."""
    axes.eventplot(turn.speech, lineoffsets=0, linelengths=0.6, colors="black", linewidths=1.2)
    marks = [("first word", turn.first_speech_seconds, RED, "--"), ("turn finished", turn.seconds, GREY, ":")]
    for name, at, colour, dashes in marks:
        if at is not None:
            axes.axvline(at, color=colour, linestyle=dashes, linewidth=1.5, zorder=0)
            text = f"{name} {duration(at)}"
            right = at > axes.get_xlim()[1] / 2
            axes.annotate(
                text, (at, -0.62), xytext=(-4 if right else 4, 0), textcoords="offset points",
                ha="right" if right else "left", va="center", fontsize=10,
            )  # fmt: skip


def _summary(turn: RecordedTurn, end: float) -> str:
    first = turn.first_speech_seconds
    heard = "nothing was said" if first is None else f"first word after {duration(first)}"
    return f"a turn of {duration(end)}: {heard}, {len(turn.tools)} tools"
