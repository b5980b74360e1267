"""`voicegraph draw`: the graph as a picture, without database, model or network."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Format(StrEnum):
    """What the picture is made of."""

    MERMAID = "mermaid"
    SVG = "svg"
    PNG = "png"
    ASCII = "ascii"


def draw(
    kind: Annotated[
        Format | None,
        typer.Option("--format", help="[default: what --out ends in, else mermaid]", show_default=False),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where to. [default: the output stream]")
    ] = None,
) -> None:
    """Draw the graph of a turn. svg, png and ascii need the extra `viz`."""
    from ...state.errors import InvalidInput

    kind = kind or _by_name(out)
    if out is None and kind in (Format.SVG, Format.PNG) and sys.stdout.isatty():
        raise InvalidInput(f"a terminal shows no {kind}: write it to a file with --out graph.{kind}")
    picture = _draw(kind)
    if out is None:
        sys.stdout.buffer.write(picture)
        sys.stdout.buffer.flush()
        return
    try:
        out.write_bytes(picture)
    except OSError as error:
        raise InvalidInput(f"{out} cannot be written: {error.strerror}") from error


def _by_name(out: Path | None) -> Format:
    ending = out.suffix.lower().lstrip(".") if out else ""
    return next(
        (kind for kind in Format if kind == ending), Format.ASCII if ending == "txt" else Format.MERMAID
    )


def _draw(kind: Format) -> bytes:
    from ..draw import draw_ascii, draw_mermaid, draw_png, draw_svg

    if kind is Format.PNG:
        return draw_png()
    text = {Format.MERMAID: draw_mermaid, Format.SVG: draw_svg, Format.ASCII: draw_ascii}[kind]()
    return text.encode() + (b"" if text.endswith("\n") else b"\n")
