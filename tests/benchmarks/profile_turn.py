"""Where the time of a turn goes: `make profile` prints the functions that take the most of it.

`make profile ARGS="--tokens 600 --sort tottime"`; the mock model answers at once, storing is included.
"""

import argparse
import asyncio
import cProfile
import pstats
import tempfile
from pathlib import Path

from .__main__ import mock_model
from .contenders import open_contender
from .scenarios import Meter


async def profile(url: str, tokens: int, turns: int) -> cProfile.Profile:
    """Return the profile of so many turns on a thread that has lived twenty."""
    profiler = cProfile.Profile()
    with tempfile.TemporaryDirectory() as folder:
        async with open_contender("voicegraph", url, Path(folder)) as contender:
            await Meter(contender).run("burst 20", 20)
            profiler.enable()
            await Meter(contender).run(f"burst {tokens}", turns)
            profiler.disable()
    return profiler


def main() -> None:
    """Profile and print."""
    parser = argparse.ArgumentParser(prog="make profile")
    parser.add_argument("--tokens", type=int, default=200, help="of each reply")
    parser.add_argument("--turns", type=int, default=30)
    parser.add_argument("--sort", default="cumtime", help="cumtime, tottime or ncalls")
    parser.add_argument("--lines", type=int, default=60)
    arguments = parser.parse_args()
    with mock_model() as url:
        profiler = asyncio.run(profile(url, arguments.tokens, arguments.turns))
    pstats.Stats(profiler).strip_dirs().sort_stats(arguments.sort).print_stats(arguments.lines)


if __name__ == "__main__":
    main()
