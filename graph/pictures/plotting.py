"""Shared by all plots: figures without pyplot, and styles for colour-blind readers and print."""

from typing import TYPE_CHECKING, Any

from ...state.errors import MissingExtra

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's palette suits colour-blind readers; in grey print markers, dashes and hatches differ too.
BLUE, ORANGE, GREEN, RED, SKY, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#666666"
SERIES = ((BLUE, "o", "-"), (RED, "s", "--"), (GREEN, "^", ":"), (ORANGE, "D", "-."))
"""Colour, marker and dashes of the lines of a plot, in order."""

_SIZE = 11


def new_axes(width: float, height: float) -> tuple["Figure", Any]:
    """Return a figure of this size in inches with one pair of axes, not registered with pyplot.

    Raises `MissingExtra` without the extra `viz`.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("viz", "plotting") from error
    figure = Figure(figsize=(width, height), layout="constrained")
    axes: Any = figure.add_subplot()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(labelsize=_SIZE)
    return figure, axes


def label(axes: Any, *, x: str, y: str = "", title: str = "") -> None:
    """Label the axes."""
    axes.set_xlabel(x, fontsize=_SIZE)
    axes.set_ylabel(y, fontsize=_SIZE)
    axes.set_title(title, fontsize=_SIZE + 1, loc="left")


def explain(axes: Any, *, columns: int = 1) -> None:
    """Place the legend above the axes, where it hides nothing."""
    axes.legend(
        fontsize=_SIZE,
        frameon=False,
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        ncols=columns,
        borderaxespad=0.3,
    )
