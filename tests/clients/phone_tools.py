"""Tools of the server that the clients call; each run leaves a line in the file `RUNS`."""

import asyncio
import os
from pathlib import Path

from voicegraph.nodes import voice_tool


def _note(line: str) -> None:
    with Path(os.environ["RUNS"]).open("a") as file:
        file.write(f"{line}\n")


@voice_tool(side_effects=True)
async def book_table(guests: int) -> str:
    """Book a table for a number of guests."""
    _note(f"booked for {guests}")
    return f"SECRET-OUTPUT booked for {guests}"


@voice_tool(timeout=30)
async def look_up(seconds: float) -> str:
    """Look something up, which takes its time."""
    _note("looked up")
    await asyncio.sleep(seconds)
    return "SECRET-OUTPUT found"
