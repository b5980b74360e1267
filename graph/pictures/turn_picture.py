"""Draw a turn on the graph: its path, with counts and the time of each step and tool."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from ..build import wire
from .picture import Picture
from .recorded import RecordedTurn, Span, Turnlike, as_recorded

# Okabe and Ito's blue; in grey print the thick line shows the same.
_TAKEN = "stroke:#0072B2,stroke-width:3px"
_LEFT_OUT = "stroke:#999999,stroke-width:1px"
_ENDS = ("__start__", "__end__")
# The padding leaves room for fonts wider than the one used to measure the boxes.
_HEAD = """---
config:
  theme: base
  flowchart:
    curve: basis
    nodeSpacing: 24
    rankSpacing: 26
    padding: 26
  themeVariables:
    edgeLabelBackground: "#ffffff"
---
graph LR;"""


def draw_turn(events: Turnlike) -> Picture:
    """Return the graph with the path of a turn drawn thick, with counts and times.

    `events` are those of `stream_turn`, or a turn from `record_turn` or `last_turn`, which include the times
    of the steps. Raises `InvalidInput` for events of a turn that has not ended.
    """
    turn = as_recorded(events)
    graph = wire().compile().get_graph()
    names = [span.name for span in turn.steps]
    # A turn that a crash cut off has not reached the end.
    ends = ["__end__"] if turn.finish_reason is not None else []
    ways = Counter(pairwise(["__start__", *names, *ends]))
    lines = [_HEAD]
    for node in graph.nodes:
        if node in _ENDS:
            lines += [f"\t{node}@{{ shape: fr-circ }}", f"\tclass {node} end_of_turn"]
        else:
            lines.append(f'\t{node}("{_label(node, turn)}"):::{"taken" if node in names else "free"}')
    styles: list[str] = []
    for place, edge in enumerate(graph.edges):
        times = ways[edge.source, edge.target]
        lines.append(f"\t{_arrow(edge.source, edge.target, times, turn, conditional=edge.conditional)};")
        styles.append(f"\tlinkStyle {place} {_TAKEN if times else _LEFT_OUT}")
    return Picture("\n".join([*lines, *styles, *_CLASSES, ""]))


_CLASSES = (
    f"\tclassDef taken fill:#DCEBF7,{_TAKEN},color:#000000",
    f"\tclassDef free fill:#FFFFFF,{_LEFT_OUT},color:#555555",
    "\tclassDef end_of_turn fill:#0072B2,stroke:#0072B2",
)


def _label(node: str, turn: RecordedTurn) -> str:
    spans = [span for span in turn.steps if span.name == node]
    if not spans:
        return node
    lines = [node, _times(spans)]
    if node == "execute_tool":
        by_name: dict[str, list[Span]] = {}
        for tool in turn.tools:
            by_name.setdefault(tool.name, []).append(tool)
        lines += [f"{_safe(name)}: {_tool(tools)}" for name, tools in by_name.items()]
    return "<br/>".join(lines)


def _times(spans: Sequence[Span]) -> str:
    often = "once" if len(spans) == 1 else f"{len(spans)} times"
    known = [span.seconds for span in spans if span.seconds is not None]
    more = "more than " if len(known) < len(spans) else ""
    return f"{often}, {more}{duration(sum(known))}" if known else often


def _tool(tools: Sequence[Span]) -> str:
    statuses = Counter(tool.status for tool in tools)
    told = ", ".join(f"{status} {n} x" if n > 1 else status for status, n in statuses.items())
    known = [tool.seconds for tool in tools if tool.seconds is not None]
    return f"{told}, {duration(sum(known))}" if known else told


def duration(seconds: float) -> str:
    """Return a human-readable duration: `4 ms`, `1.84 s`."""
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _arrow(source: str, target: str, times: int, turn: RecordedTurn, *, conditional: bool) -> str:
    label = _why(source, target, turn, taken=bool(times)) if conditional else ""
    if label and times > 1:
        label = f"{label}, {times} x"
    # Blanks on both sides keep the letters off the line.
    shown = f'"&nbsp;{label}&nbsp;" ' if label else ""
    if times:
        return f"{source} == {shown}==> {target}" if shown else f"{source} ==> {target}"
    return f"{source} -. {shown}.-> {target}" if shown else f"{source} -.-> {target}"


def _why(source: str, target: str, turn: RecordedTurn, *, taken: bool) -> str:
    if target == "execute_tool":
        return "tool calls"
    if target == "rebuild_memory":
        return "go on"
    ended = {"error": "failed", "interrupted": "interrupted"}.get(turn.finish_reason or "", "finished")
    if source == "call_llm":
        return ended if taken else "finished"
    return "interrupted"


def _safe(name: str) -> str:
    """Return a tool's name escaped for a Mermaid label; models invent names."""
    return "".join(letter if letter.isalnum() or letter in "_-" else "_" for letter in name)[:32]
