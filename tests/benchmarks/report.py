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
_ROWS = {
    "first_over_floor": ("first word over the model's own 300 ms", 1e3, "{:.1f} ms"),
    "short_first_over_floor": ("the same in the first turns of a thread", 1e3, "{:.1f} ms"),
    "cpu_a_turn": ("CPU of a turn of 200 tokens, storing included", 1e3, "{:.1f} ms"),
    "cpu_a_token": ("CPU a token", 1e6, "{:.0f} µs"),
    "tool_cpu": ("CPU of a turn with a tool", 1e3, "{:.1f} ms"),
    "new_p95": ("50 new calls at once, first word, 95th percentile", 1e3, "{:.0f} ms"),
    "many_p95": ("50 calls at once that go on, first word, 95th percentile", 1e3, "{:.0f} ms"),
    "first_turn_cpu": ("CPU of the first turn of a thread, 40 tokens", 1e3, "{:.1f} ms"),
    "later_turn_cpu": ("CPU of its second turn", 1e3, "{:.1f} ms"),
    "first_at_10": ("first word at turn 10", 1e3, "{:.1f} ms"),
    "first_at_1000": ("first word at turn 1,000", 1e3, "{:.1f} ms"),
    "written_at_10": ("written a turn, at turn 10", 1e-3, "{:.0f} kB"),
    "written_at_1000": ("written a turn, at turn 1,000", 1e-3, "{:.0f} kB"),
    "memory_one": ("most memory, one call", 1.0, "{:.0f} MB"),
    "memory_many": ("most memory, 50 calls", 1.0, "{:.0f} MB"),
}
_STORES_NOTHING = {"written_at_10", "written_at_1000"}

Figures = Mapping[str, Mapping[str, float]]
"""Figures by contender and name."""


def table(figures: Figures) -> str:
    """Return the table of the docs in Markdown."""
    lines = ["| | " + " | ".join(_COLUMNS.values()) + " |", "|---" * (len(_COLUMNS) + 1) + "|"]
    for name, (label, factor, form) in _ROWS.items():
        cells = [label]
        for contender in _COLUMNS:
            value = figures[contender].get(name)
            shown = value is not None and not (contender == _BARE and name in _STORES_NOTHING)
            cells.append(form.format(value * factor) if value is not None and shown else "-")
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
