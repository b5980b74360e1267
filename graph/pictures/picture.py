"""Pictures that notebooks show and `save` writes: drawings of graphs, and plots."""

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
"""In pixels: some hosts clip a wider drawing."""
_DPI = 120


class Saved:
    """A picture that can be saved in several formats."""

    __slots__ = ()

    def _files(self) -> Mapping[str, Maker]:
        """Return a function for each file suffix that makes the content."""
        raise NotImplementedError

    def save(self, path: str | Path) -> Path:
        """Save the picture in the format of the file's suffix, and return the path.

        Raises `InvalidInput` for an unknown suffix or a file that cannot be written, and `MissingExtra`.
        """
        path, kinds = Path(path), self._files()
        make = kinds.get(path.suffix.lower().lstrip("."))
        if make is None:
            raise InvalidInput(f"{path.name} has no known suffix: use .{', .'.join(kinds)}")
        content = make()
        try:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        except OSError as error:
            raise InvalidInput(f"{path} cannot be written: {error.strerror}") from error
        return path


class Picture(Saved):
    """A drawing of a graph, as SVG, PNG or Mermaid text, made without network or browser.

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
        # The default backend: the other one draws such a graph wrongly.
        return mmdr.render(self.mermaid)


def _at_its_size(svg: str) -> str:
    """Return the drawing at its natural size, but no wider than a notebook page.

    The background is white even on a dark page: the letters are black.
    """
    size = re.search(r'viewBox="\S+ \S+ (\S+) (\S+)"', svg)
    assert size is not None, "the renderer gives the size of its drawing"
    width, height = map(float, size.groups())
    scale = min(1.0, _PAGE / width)
    svg = svg.replace('width="100%"', f'width="{width * scale:.0f}" height="{height * scale:.0f}"', 1)
    return re.sub(
        'style="[^"]*"', 'style="background-color:#ffffff;max-width:100%;height:auto"', svg, count=1
    )


class Plot(Saved):
    """A plot of figures, as SVG, PNG or PDF. `figure` is the matplotlib figure, for further changes."""

    def __init__(self, figure: "Figure", summary: str) -> None:
        self.figure = figure
        self._summary = summary

    def svg(self) -> str:
        """Return the plot as SVG; letters are drawn as paths, so that it looks the same everywhere."""
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
        # "tight": long labels are not clipped.
        self.figure.savefig(content, format=kind, dpi=_DPI, bbox_inches="tight", facecolor="white")
        return content.getvalue()
