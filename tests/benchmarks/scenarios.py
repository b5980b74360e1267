"""What is measured, each in a process of its own.

`python -m benchmarks.scenarios NAME CONTENDER URL SCALE` prints the figures as JSON.
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from typing import Any

from .contenders import WINDOW, Contender, open_contender
from .mock_model import EVERY_TOKEN, FIRST_TOKEN
from .stopwatch import Heard

Figures = dict[str, float]


class Meter:
    """Runs turns one after the other and keeps what each took."""

    def __init__(self, contender: Contender, session: str = "call-1") -> None:
        self._turn, self._process, self._session = contender.turn, contender.process, session
        self.heard: list[Heard] = []
        self.cpu: list[float] = []
        self.written: list[int] = []

    async def run(self, order: str, times: int) -> "Meter":
        """Take `times` turns that the model answers by `order`."""
        for number in range(times):
            written, cpu = self._process.written(), self._process.cpu()
            said = f"And what about number {number}, please? [[{order}]]"
            self.heard.append(await self._turn(self._session, said))
            self.cpu.append(self._process.cpu() - cpu)
            self.written.append(self._process.written() - written)
        return self

    @property
    def first(self) -> float:
        """Median seconds to the first word."""
        return median(heard.first for heard in self.heard)


async def paced(contender: Contender, folder: Path, scale: float) -> Figures:
    """One session at a real model's pace: seconds over the floor that the model sets."""
    await Meter(contender).run("burst 20", WINDOW // 2)
    tokens = 50
    meter = await Meter(contender).run(f"paced {tokens}", _times(12, scale))
    return {
        "first_over_floor": meter.first - FIRST_TOKEN,
        "total_over_floor": median(heard.last for heard in meter.heard)
        - FIRST_TOKEN
        - (tokens - 1) * EVERY_TOKEN,
        "paced_cpu_a_turn": median(meter.cpu),
    }


async def short(contender: Contender, folder: Path, scale: float) -> Figures:
    """The first turns of a session at a real model's pace: seconds over the floor that the model sets."""
    await Meter(contender, "before").run("burst 20", 2)
    meter = await Meter(contender).run("paced 20", _times(8, scale))
    return {"short_first_over_floor": meter.first - FIRST_TOKEN}


async def burst(contender: Contender, folder: Path, scale: float) -> Figures:
    """One session whose model answers at once: CPU seconds of a turn, storing included, and of a token."""
    await Meter(contender).run("burst 20", WINDOW // 2)
    short, long = Meter(contender), Meter(contender)
    for _ in range(_times(20, scale)):  # In turn, so that both see the same history.
        await short.run("burst 200", 1)
        await long.run("burst 600", 1)
    a_turn = median(short.cpu)
    return {
        "cpu_a_turn": a_turn,
        "cpu_a_token": (median(long.cpu) - a_turn) / 400,
        "burst_first": short.first,
    }


async def tool(contender: Contender, folder: Path, scale: float) -> Figures:
    """Turns that call a tool and answer then."""
    await Meter(contender).run("burst 20", WINDOW // 2)
    meter = await Meter(contender).run("tool 20", _times(20, scale))
    return {"tool_first": meter.first, "tool_cpu": median(meter.cpu), "tool_written": median(meter.written)}


async def lived(contender: Contender, folder: Path, scale: float) -> Figures:
    """A thread that lives a thousand turns: does a late one cost more than an early one?"""
    figures: Figures = {}
    done, half = 0, 10
    for mark in (10, 200, 1000):
        mark = max(10, int(mark * scale))
        await Meter(contender).run("burst 20", max(0, mark - half - done))
        meter = await Meter(contender).run("burst 20", 2 * half if done else half)
        done = mark + (half if done else 0)
        figures |= {
            f"first_at_{mark}": meter.first,
            f"cpu_at_{mark}": median(meter.cpu),
            f"written_at_{mark}": sum(meter.written) / len(meter.written),
        }
    return {**figures, "folder": sum(file.stat().st_size for file in folder.iterdir())}


async def many(contender: Contender, folder: Path, scale: float) -> Figures:
    """Fifty paced sessions at once, all beginning at the same moment: seconds to the first word."""
    heard: list[Heard] = []

    async def session(name: str) -> None:
        await Meter(contender, name).run("burst 20", WINDOW // 2)
        await everybody.wait()
        heard.extend((await Meter(contender, name).run("paced 50", _times(3, scale))).heard)

    everybody = asyncio.Barrier(50)
    cpu = contender.process.cpu()
    await asyncio.gather(*(session(f"call-{number}") for number in range(50)))
    firsts = sorted(each.first for each in heard)
    return {
        "many_p50": firsts[len(firsts) // 2],
        "many_p95": firsts[int(len(firsts) * 0.95)],
        "many_cpu": contender.process.cpu() - cpu,
    }


async def new(contender: Contender, folder: Path, scale: float) -> Figures:
    """Fifty paced calls at once, each on a new thread: seconds to the first word."""
    first, later = list[Heard](), list[Heard]()

    async def session(name: str) -> None:
        await everybody.wait()
        first.extend((await Meter(contender, name).run("paced 20", 1)).heard)
        later.extend((await Meter(contender, name).run("paced 20", 2)).heard)

    await Meter(contender, "before").run("burst 20", 2)
    everybody = asyncio.Barrier(50)
    await asyncio.gather(*(session(f"call-{number}") for number in range(50)))
    return {
        "new_p50": median(each.first for each in first),
        "new_p95": sorted(each.first for each in first)[47],
        "new_later_p50": median(each.first for each in later),
        "new_later_p95": sorted(each.first for each in later)[95],
    }


async def first_turn(contender: Contender, folder: Path, scale: float) -> Figures:
    """New threads one after the other: CPU seconds of their first turn, and of a second one."""
    first, later = list[float](), list[float]()
    for number in range(_times(40, scale)):
        meter = await Meter(contender, f"call-{number}").run("burst 40", 2)
        first.append(meter.cpu[0])
        later.append(meter.cpu[1])
    return {"first_turn_cpu": median(first), "later_turn_cpu": median(later)}


async def memory_one(contender: Contender, folder: Path, scale: float) -> Figures:
    """The most memory with one session."""
    await Meter(contender).run("burst 200", 20)
    return {"memory_one": contender.process.peak_memory()}


async def memory_many(contender: Contender, folder: Path, scale: float) -> Figures:
    """The most memory with fifty sessions at once."""
    await asyncio.gather(*(Meter(contender, f"call-{n}").run("paced 50", 2) for n in range(50)))
    return {"memory_many": contender.process.peak_memory()}


def _times(number: int, scale: float) -> int:
    return max(2, int(number * scale))


SCENARIOS: dict[str, Callable[[Contender, Path, float], Awaitable[Figures]]] = {
    "paced": paced,
    "short": short,
    "burst": burst,
    "tool": tool,
    "lived": lived,
    "many": many,
    "new": new,
    "first turn": first_turn,
    "memory, one": memory_one,
    "memory, many": memory_many,
}


async def measure(scenario: str, contender: str, url: str, scale: float) -> dict[str, Any]:
    """Return the figures of one contender in one scenario."""
    with tempfile.TemporaryDirectory() as name:
        async with open_contender(contender, url, Path(name)) as opened:
            return dict(await SCENARIOS[scenario](opened, Path(name), scale))


if __name__ == "__main__":
    _, scenario, contender, url, scale = sys.argv
    print(json.dumps(asyncio.run(measure(scenario, contender, url, float(scale)))))
