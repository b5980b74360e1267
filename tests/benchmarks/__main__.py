"""Measure a turn beside its peers, in turn, each in a process of its own: `make bench`.

Prints a table and writes the figures as JSON. The model is a mock in another process, so that only the
client's own time counts; ratios of one run are comparable, seconds of two machines are not.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from .contenders import ALONE, CONTENDERS
from .report import REPORT, read, row_of, worse, write_tables
from .scenarios import SCENARIOS

ROUNDS = {"lived": 1, "memory, one": 1, "memory, many": 1}
"""How often a scenario is measured, if not as often as the others."""

Results = dict[str, dict[str, float]]
"""Figures by contender and name."""


def main() -> None:
    """Measure, show and save."""
    arguments = _arguments()
    scale, rounds = (0.1, 1) if arguments.quick else (1.0, arguments.rounds)
    contenders = [name for name in CONTENDERS if not arguments.only or name in arguments.only]
    scenarios = [name for name in SCENARIOS if not arguments.scenario or name in arguments.scenario]
    before = read(REPORT)["figures"] if arguments.check else {}
    results: Results = {name: {} for name in contenders}
    console = Console()
    with mock_model() as url:
        for scenario in scenarios:
            times = min(rounds, ROUNDS.get(scenario, rounds))
            with console.status(f"measuring: {scenario}"):
                for name, figures in _measure(scenario, contenders, url, scale, times).items():
                    results[name] |= figures
    console.print(_table(results))
    report = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": _machine(),
        "figures": results,
    }
    if arguments.check:
        regressions = worse(results, before)
        console.print(*regressions or ["nothing is slower"], sep="\n")
        sys.exit(bool(regressions))
    arguments.json.write_text(json.dumps(report, indent=2) + "\n")
    console.print(f"{report['machine']}; written to {arguments.json}")
    if arguments.json == REPORT:
        write_tables(report)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--quick", action="store_true", help="few turns: does it all run?")
    parser.add_argument("--only", action="append", choices=list(CONTENDERS), help="who; may be given again")
    parser.add_argument(
        "--scenario", action="append", choices=list(SCENARIOS), help="what; may be given again"
    )
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured (3: half an hour)")
    parser.add_argument(
        "--json", type=Path, help="where the figures go; those of a whole run go into the docs"
    )
    parser.add_argument("--check", action="store_true", help="fail if a ratio is worse than in the docs")
    arguments = parser.parse_args()
    if arguments.check and arguments.only:
        arguments.only.append("bare client")
    in_part = arguments.quick or arguments.only or arguments.scenario
    arguments.json = arguments.json or (Path("bench.json") if in_part else REPORT)
    return arguments


@contextmanager
def mock_model() -> Iterator[str]:
    """Serve the mock model from a process of its own, and give its address."""
    command = [sys.executable, "-m", f"{__package__}.mock_model"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.kill()


def _measure(scenario: str, contenders: list[str], url: str, scale: float, rounds: int) -> Results:
    """Return the median of each figure; the contenders take turns, so that a busy minute hits all of them."""
    asked = [name for name in contenders if scenario in ALONE.get(name, SCENARIOS)]
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in asked}
    for _ in range(rounds):
        for name in taken:
            command = [sys.executable, "-m", f"{__package__}.scenarios", scenario, name, url, str(scale)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            taken[name].append(json.loads(done.stdout))
    return {
        name: {figure: median(one[figure] for one in runs) for figure in runs[0]}
        for name, runs in taken.items()
    }


def _table(results: Results) -> Table:
    table = Table("", *results, title="A turn beside its peers (times the bare client in brackets)")
    names = list(dict.fromkeys(name for figures in results.values() for name in figures))
    for name in names:
        shown = row_of(name)
        if shown is not None:
            label, factor, unit = shown
            first = next(iter(results.values())).get(name)
            cells = [_cell(figures.get(name), first, factor, unit) for figures in results.values()]
            table.add_row(label, *cells)
    return table


def _cell(value: float | None, first: float | None, factor: float, unit: str) -> str:
    if value is None:
        return "-"
    times = f" ({value / first:.2f})" if first and first * factor > 0.1 else ""
    return f"{value * factor:,.1f} {unit}{times}"


def _machine() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in ("langgraph", "openai"))
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, {packages}"


if __name__ == "__main__":
    began = time.monotonic()
    main()
    print(f"{time.monotonic() - began:.0f} s")
