"""`voicegraph draw`: draw the graph, or a turn on it; needs no model and no network."""

import asyncio
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .terminal.options import Caller, Database, caller_of

_TURN_WIDTH = 1600
"""In pixels: a turn is drawn from left to right."""


class Format(StrEnum):
    """The format of the picture."""

    MERMAID = "mermaid"
    SVG = "svg"
    PNG = "png"
    ASCII = "ascii"


def draw(
    context: typer.Context,
    thread: Annotated[
        str | None,
        typer.Option("--thread", metavar="ID", help="Draw the last turn of this thread on the graph."),
    ] = None,
    last: Annotated[bool, typer.Option("--last", help="Draw the last turn (the default).")] = False,
    kind: Annotated[
        Format | None,
        typer.Option(
            "--format", help="[default: from the suffix of --out, else mermaid]", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="File to write. [default: stdout]")
    ] = None,
    database: Database = None,
) -> None:
    """Draw the graph, or with `--thread` its last turn: the path, with counts and times.

    svg, png and ascii need the extra `viz`.
    """
    from ...state.errors import InvalidInput

    if last and thread is None:
        raise typer.BadParameter("--last needs --thread")
    kind = kind or _by_name(out)
    if out is None and kind in (Format.SVG, Format.PNG) and sys.stdout.isatty():
        raise InvalidInput(f"a terminal cannot show {kind}: write it to a file with --out graph.{kind}")
    if thread is None:
        picture = _draw(kind)
    elif kind is Format.ASCII:
        raise InvalidInput("a turn can be drawn as mermaid, svg or png only")
    else:
        picture = asyncio.run(_draw_last(caller_of(context), thread, kind, database))
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
    from ..pictures.draw import draw_ascii, draw_mermaid, draw_png, draw_svg

    if kind is Format.PNG:
        return draw_png()
    text = {Format.MERMAID: draw_mermaid, Format.SVG: draw_svg, Format.ASCII: draw_ascii}[kind]()
    return text.encode() + (b"" if text.endswith("\n") else b"\n")


async def _draw_last(caller: Caller, thread: str, kind: Format, url: str | None) -> bytes:
    from ...state.agents.actors import Actor
    from ..pictures.turn_picture import draw_turn
    from ..turns.record import last_turn
    from .talk.checkpoint_graph import open_checkpoint_graph

    async with open_checkpoint_graph(url) as graph:
        turn = await last_turn(graph, thread, actor=Actor(caller.organization, caller.user))
    picture = draw_turn(turn)
    if kind is Format.PNG:
        return picture.png(width=_TURN_WIDTH)
    return (picture.svg() if kind is Format.SVG else picture.mermaid).encode()
