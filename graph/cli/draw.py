"""`voicegraph draw`: the graph as a picture, or a turn over it; without model or network."""

import asyncio
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .terminal.options import Caller, Database, caller_of

_TURN_WIDTH = 1600
"""Pixels: a turn is drawn from left to right."""


class Format(StrEnum):
    """What the picture is made of."""

    MERMAID = "mermaid"
    SVG = "svg"
    PNG = "png"
    ASCII = "ascii"


def draw(
    context: typer.Context,
    thread: Annotated[
        str | None, typer.Option("--thread", metavar="ID", help="Draw a turn of this thread over the graph.")
    ] = None,
    last: Annotated[bool, typer.Option("--last", help="Its last turn, as without this.")] = False,
    kind: Annotated[
        Format | None,
        typer.Option("--format", help="[default: what --out ends in, else mermaid]", show_default=False),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where to. [default: the output stream]")
    ] = None,
    database: Database = None,
) -> None:
    """Draw the graph of a turn, or with `--thread` the last turn over it: its way, how often, how long.

    svg, png and ascii need the extra `viz`.
    """
    from ...state.errors import InvalidInput

    if last and thread is None:
        raise typer.BadParameter("--last needs the --thread whose last turn it is")
    kind = kind or _by_name(out)
    if out is None and kind in (Format.SVG, Format.PNG) and sys.stdout.isatty():
        raise InvalidInput(f"a terminal shows no {kind}: write it to a file with --out graph.{kind}")
    if thread is None:
        picture = _draw(kind)
    elif kind is Format.ASCII:
        raise InvalidInput("a turn is drawn as mermaid, svg or png")
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
    from .talk.travelling import travelling

    async with travelling(url) as graph:
        turn = await last_turn(graph, thread, actor=Actor(caller.organization, caller.user))
    picture = draw_turn(turn)
    if kind is Format.PNG:
        return picture.png(width=_TURN_WIDTH)
    return (picture.svg() if kind is Format.SVG else picture.mermaid).encode()
