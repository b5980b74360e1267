"""Plots over many turns: the time to the first word, and how full the window is."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from ...nodes.turn.limits import TurnLimits
from ...state.errors import InvalidInput
from .picture import Plot
from .plotting import BLUE, GREY, RED, SERIES, explain, label, new_axes
from .recorded import RecordedTurn, Turnlike, as_recorded
from .turn_picture import duration

Turns = Iterable[Turnlike]


def plot_latency(turns: Turns | Mapping[str, Turns]) -> Plot:
    """Plot the time to the first word of each turn, with the median and 95th percentile.

    `turns` are recorded turns, their `TurnFinished` events, or lists of all their events; a mapping of names
    to turns compares them. Turns without speech are left out. Raises `InvalidInput` if none is left,
    `MissingExtra` without the extra `viz`.
    """
    named = cast(Mapping[str, Turns], turns) if isinstance(turns, Mapping) else {"first word": turns}
    if len(named) > len(SERIES):
        raise InvalidInput(f"at most {len(SERIES)} lines can be distinguished, got {len(named)}")
    figure, axes = new_axes(8, 3.2)
    told: list[str] = []
    for (name, some), (colour, marker, dashes) in zip(named.items(), SERIES, strict=False):
        times = _first_words(some)
        if not times:
            raise InvalidInput(f"no turn of '{name}' has speech: there is nothing to plot")
        values = sorted(times.values())
        summary = (
            f"{name}: median {duration(_share(values, 0.5))}, 95 % under {duration(_share(values, 0.95))}"
        )
        axes.plot(
            list(times), list(times.values()), color=colour, marker=marker, linestyle=dashes, label=summary,
            markersize=5, linewidth=1.5,
        )  # fmt: skip
        told.append(summary)
    axes.set_ylim(bottom=0)
    _count_turns(axes)
    label(axes, x="turn", y="seconds to the first word")
    explain(axes)
    return Plot(figure, "; ".join(told))


def plot_window(turns: Iterable[RecordedTurn], *, limits: TurnLimits | None = None) -> Plot:
    """Plot the number of messages in the window after each turn, for turns from `record_turn`.

    `limits`, such as `resources.settings`, draws the size at which the window is trimmed and the size it is
    trimmed to. Raises `InvalidInput` without turns, `MissingExtra` without the extra `viz`.
    """
    sizes = [turn.window or 0 for turn in turns]
    if not sizes:
        raise InvalidInput("there are no turns: there is nothing to plot")
    figure, axes = new_axes(8, 3.2)
    axes.bar(range(1, len(sizes) + 1), sizes, color=BLUE, width=0.8, label="messages in the window")
    if limits is not None:
        axes.axhline(limits.message_buffer_limit, color=RED, linestyle="--", label="trimmed above this")
        axes.axhline(
            limits.message_buffer_min, color=GREY, linestyle=":", linewidth=2, label="trimmed to this"
        )
    _count_turns(axes)
    label(axes, x="turn", y="messages")
    explain(axes, columns=3)
    return Plot(figure, f"{len(sizes)} turns, {max(sizes)} messages in the window at most")


def _first_words(turns: Turns) -> dict[int, float]:
    recorded = (as_recorded(turn).first_speech_seconds for turn in turns)
    return {number: first for number, first in enumerate(recorded, start=1) if first is not None}


def _share(values: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile of the sorted values."""
    return values[min(len(values) - 1, max(0, -int(-share * len(values) // 1) - 1))]


def _count_turns(axes: Any) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    axes.set_xlim(left=0.3)  # There is no turn 0.
