"""What notebooks show and `save` writes: drawings of graphs, and plots."""

import io
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...state.errors import InvalidInput, MissingExtra

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Maker = Callable[[], str | bytes]

_WIDTH = 900
_PAGE = 860
"""Pixels: some hosts show a wider drawing cut off."""
_DPI = 120


class Saved:
    """Something that can be written into a file of several kinds."""

    __slots__ = ()

    def _files(self) -> Mapping[str, Maker]:
        """Return how the content of a file is made, by the ending of its name."""
        raise NotImplementedError

    def save(self, path: str | Path) -> Path:
        """Write it into a file of the kind that its name ends in, and return the path.

        Raises `InvalidInput` for another kind or a file that cannot be written, `MissingExtra`.
        """
        path, kinds = Path(path), self._files()
        make = kinds.get(path.suffix.lower().lstrip("."))
        if make is None:
            raise InvalidInput(f"{path.name} names no kind of file: end it in .{', .'.join(kinds)}")
        content = make()
        try:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        except OSError as error:
            raise InvalidInput(f"{path} cannot be written: {error.strerror}") from error
        return path


class Picture(Saved):
    """A drawing of a graph, as SVG, PNG or Mermaid text; made without network or browser.

    Without the extra `viz` a notebook shows the Mermaid text.
    """

    def __init__(self, mermaid: str) -> None:
        self.mermaid = mermaid

    def svg(self) -> str:
        """Return the drawing as SVG. Raises `MissingExtra` without the extra `viz`."""
        return _at_its_size(self._rendered().svg())

    def png(self, *, width: int = _WIDTH) -> bytes:
        """Return the drawing as a PNG file, `width` in pixels. Raises `MissingExtra` without `viz`."""
        return self._rendered().png(width=width, background="#ffffff")

    def __repr__(self) -> str:
        return self.mermaid

    def _repr_svg_(self) -> str | None:
        try:
            return self.svg()
        except MissingExtra:
            return None

    def _files(self) -> Mapping[str, Maker]:
        return {"svg": self.svg, "png": self.png, "mmd": lambda: self.mermaid}

    def _rendered(self) -> Any:
        try:
            import mmdr
        except ImportError as error:
            raise MissingExtra("viz", "drawing as SVG or PNG") from error
        # Its default backend: the other one draws such a graph wrongly.
        return mmdr.render(self.mermaid)


def _at_its_size(svg: str) -> str:
    """Return a drawing as large as its letters want it, but no wider than a notebook's page.

    White also where the page around it is dark: the letters are black.
    """
    size = re.search(r'viewBox="\S+ \S+ (\S+) (\S+)"', svg)
    assert size is not None, "the renderer says how large its drawing is"
    width, height = map(float, size.groups())
    scale = min(1.0, _PAGE / width)
    svg = svg.replace('width="100%"', f'width="{width * scale:.0f}" height="{height * scale:.0f}"', 1)
    return re.sub(
        'style="[^"]*"', 'style="background-color:#ffffff;max-width:100%;height:auto"', svg, count=1
    )


class Plot(Saved):
    """A plot of figures, as SVG, PNG or PDF. `figure` is matplotlib's, for whoever wants to change it."""

    def __init__(self, figure: "Figure", summary: str) -> None:
        self.figure = figure
        self._summary = summary

    def svg(self) -> str:
        """Return the plot as SVG; letters are drawn, so that it looks the same everywhere."""
        return self._as("svg").decode()

    def png(self) -> bytes:
        """Return the plot as a PNG file."""
        return self._as("png")

    def __repr__(self) -> str:
        return self._summary

    def _repr_svg_(self) -> str:
        return self.svg()

    def _files(self) -> Mapping[str, Maker]:
        return {"svg": self.svg, "png": self.png, "pdf": lambda: self._as("pdf")}

    def _as(self, kind: str) -> bytes:
        content = io.BytesIO()
        # "tight": whatever the length of a label, nothing is cut.
        self.figure.savefig(content, format=kind, dpi=_DPI, bbox_inches="tight", facecolor="white")
        return content.getvalue()
