"""The report of `make bench`: a JSON file, the table in the docs, and a check against the last one."""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "docs" / "speed.json"
"""The figures of the last whole run, whose table README and `docs/speed.md` show."""
PAGES = (ROOT / "README.md", ROOT / "docs" / "speed.md")
WORSE = 1.15
"""A figure is worse when its ratio to the bare client's grows by this factor."""
_NOISE = 1e-3
"""Seconds, bytes or MB: a figure is not worse for less."""

_BARE = "bare client"
_COLUMNS = {
    _BARE: _BARE,
    "voicegraph": "voicegraph",
    "voicegraph, PostgreSQL": "on PostgreSQL",
    "voicegraph serve": "`voicegraph serve`",
    "LangGraph agent": "LangGraph agent",
    "Agents SDK": "Agents SDK",
}
ROWS = {
    "first_over_floor": ("first word over the model's own 300 ms", 1e3, "ms"),
    "short_first_over_floor": ("the same in the first turns of a thread", 1e3, "ms"),
    "total_over_floor": ("last word over the model's own, paced", 1e3, "ms"),
    "paced_cpu_a_turn": ("CPU of a paced turn of 50 tokens", 1e3, "ms"),
    "cpu_a_turn": ("CPU of a turn of 200 tokens, storing included", 1e3, "ms"),
    "cpu_a_token": ("CPU a token", 1e6, "µs"),
    "burst_first": ("first word of a model that answers at once", 1e3, "ms"),
    "tool_first": ("first word of a turn with a tool", 1e3, "ms"),
    "tool_cpu": ("CPU of a turn with a tool", 1e3, "ms"),
    "tool_written": ("written to disk in a turn with a tool", 1e-3, "kB"),
    "many_p50": ("50 calls at once that go on, median first word", 1e3, "ms"),
    "many_p95": ("50 calls at once that go on, first word, 95th percentile", 1e3, "ms"),
    "new_p50": ("50 new calls at once, median first word", 1e3, "ms"),
    "new_p95": ("50 new calls at once, first word, 95th percentile", 1e3, "ms"),
    "new_later_p50": ("the same calls, later turns, median first word", 1e3, "ms"),
    "new_later_p95": ("the same calls, later turns, 95th percentile", 1e3, "ms"),
    "first_turn_cpu": ("CPU of the first turn of a thread, 40 tokens", 1e3, "ms"),
    "later_turn_cpu": ("CPU of its second turn", 1e3, "ms"),
    "first_at_": ("first word at turn", 1e3, "ms"),
    "cpu_at_": ("CPU of a turn at turn", 1e3, "ms"),
    "written_at_": ("written a turn, at turn", 1e-3, "kB"),
    "folder": ("on disk after all these turns", 1e-3, "kB"),
    "memory_one": ("most memory, one call", 1.0, "MB"),
    "memory_many": ("most memory, 50 calls", 1.0, "MB"),
}
"""How figures are shown: label, factor and unit. A name that ends in `_` goes before a number of turns."""
_SHOWN = {
    "first_over_floor": 1,
    "short_first_over_floor": 1,
    "cpu_a_turn": 1,
    "cpu_a_token": 0,
    "tool_cpu": 1,
    "new_p95": 0,
    "many_p95": 0,
    "first_turn_cpu": 1,
    "later_turn_cpu": 1,
    "first_at_10": 1,
    "first_at_1000": 1,
    "written_at_10": 0,
    "written_at_1000": 0,
    "memory_one": 0,
    "memory_many": 0,
}
"""The figures in the docs, and their decimals."""
_STORES_NOTHING = {"written_at_10", "written_at_1000"}

Figures = Mapping[str, Mapping[str, float]]
"""Figures by contender and name."""


def row_of(name: str) -> tuple[str, float, str] | None:
    """Return label, factor and unit of a figure, `None` for one that is not shown."""
    stem, _, number = name.rpartition("_")
    if name in ROWS:
        return ROWS[name]
    if f"{stem}_" in ROWS:
        label, factor, unit = ROWS[f"{stem}_"]
        return f"{label} {int(number):,}", factor, unit
    return None


def table(figures: Figures) -> str:
    """Return the table of the docs in Markdown."""
    lines = ["| | " + " | ".join(_COLUMNS.values()) + " |", "|---" * (len(_COLUMNS) + 1) + "|"]
    for name, decimals in _SHOWN.items():
        row = row_of(name)
        assert row is not None, name
        label, factor, unit = row
        cells = [label]
        for contender in _COLUMNS:
            value = figures[contender].get(name)
            is_hidden = value is None or (contender == _BARE and name in _STORES_NOTHING)
            cells.append("-" if is_hidden else f"{value * factor:.{decimals}f} {unit}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def write_tables(report: Mapping[str, Any]) -> None:
    """Put the table, the date and the machine into the pages that show them, in place of those there."""
    day = datetime.fromisoformat(report["date"])
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        start = text.index(f"| | {_BARE} |")
        end = text.index("\n\n", start)
        below = re.sub(r"on \d+ [A-Z][a-z]+ \d{4}", f"on {day:%-d %B %Y}", text[end:], count=1)
        below = re.sub(r"\(\d+ cores, [^)]*\)", f"({report['machine']})", below, count=1)
        page.write_text(text[:start] + table(report["figures"]) + below, encoding="utf-8")


def worse(now: Figures, before: Figures) -> list[str]:
    """Return a line for each figure of this project whose ratio to the bare client's has grown too much."""
    lines: list[str] = []
    for contender, figures in now.items():
        if not contender.startswith("voicegraph"):
            continue
        for name, value in figures.items():
            bare, bare_before = now[_BARE].get(name), before.get(_BARE, {}).get(name)
            earlier = before.get(contender, {}).get(name)
            if not (bare and bare_before and earlier) or bare < 0 or bare_before < 0:
                continue
            ratio, ratio_before = value / bare, earlier / bare_before
            if ratio > WORSE * ratio_before and value > ratio_before * bare + _NOISE:
                lines.append(
                    f"{contender}: {name} was {ratio_before:.2f} of the bare client's, now {ratio:.2f}"
                )
    return lines


def read(path: Path) -> dict[str, Any]:
    """Return a report."""
    return json.loads(path.read_text(encoding="utf-8"))
