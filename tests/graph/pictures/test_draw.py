"""The graph is drawn offline, and the picture says what the graph does."""

import socket
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from langgraph.graph import END, START, StateGraph

from voicegraph.graph import Picture, draw_ascii, draw_mermaid, draw_png, draw_svg
from voicegraph.graph.cli import main
from voicegraph.state import VoiceState
from voicegraph.state.errors import MissingExtra


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing leave the process."""

    def refuse(*args: object) -> None:
        raise AssertionError("drawing opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_the_edges_are_those_of_the_turn_and_each_decision_is_labelled() -> None:
    drawn = draw_mermaid().replace("&nbsp;", " ").replace(" <br/> ", " ")
    edges = [" ".join(line.split()) for line in drawn.splitlines() if "->" in line]
    assert edges == [
        "__start__ --> rebuild_memory;",
        "call_llm -. tool calls .-> execute_tool;",
        "call_llm -. finished, interrupted, failed .-> persist_and_trim;",
        "execute_tool --> heartbeat;",
        "heartbeat -. interrupted .-> persist_and_trim;",
        "heartbeat -. go on .-> rebuild_memory;",
        "rebuild_memory --> call_llm;",
        "persist_and_trim --> __end__;",
    ]


def test_any_other_graph_can_be_drawn_too() -> None:
    graph: Any = StateGraph(VoiceState)
    graph.add_node("think", lambda state: {})
    graph.add_edge(START, "think")
    graph.add_conditional_edges("think", lambda state: "done", {"done": END, "more": "think"})
    drawn = draw_mermaid(graph.compile())
    assert "think -. &nbsp;done&nbsp; .-> __end__" in drawn
    assert "rebuild_memory" not in drawn


def test_svg_is_well_formed_and_names_the_steps() -> None:
    svg = draw_svg()
    words = "".join(ElementTree.fromstring(svg).itertext())
    for step in ("rebuild_memory", "call_llm", "execute_tool", "heartbeat", "persist_and_trim", "tool calls"):
        assert step in words


@pytest.mark.parametrize(("steps", "fits"), [(2, True), (20, False)])
def test_svg_is_as_large_as_its_letters_want_it_but_no_wider_than_a_page(steps: int, fits: bool) -> None:
    row = " --> ".join(f"step_{number}" for number in range(steps))
    svg = ElementTree.fromstring(Picture(f"graph LR; {row}").svg())
    *_, wanted, _ = map(float, svg.attrib["viewBox"].split())
    assert int(svg.attrib["width"]) == (round(wanted) if fits else 860)


def test_png_has_the_width_that_was_asked_for() -> None:
    png = draw_png(width=600)
    assert png.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", png[16:24])
    assert width == 600
    assert height > 600


def test_ascii_shows_each_step_in_a_box() -> None:
    drawn = draw_ascii()
    assert "| rebuild_memory |" in drawn
    assert not any(line.endswith(" ") for line in drawn.splitlines())


@pytest.mark.parametrize(
    ("module", "draw"), [("mmdr", draw_svg), ("mmdr", draw_png), ("grandalf", draw_ascii)]
)
def test_a_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, module: str, draw: Callable[[], object]
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=r"voicegraph\[viz\]"):
        draw()


@pytest.mark.parametrize(
    ("name", "begins"),
    [("graph.mmd", b"---"), ("graph.svg", b"<svg"), ("graph.png", b"\x89PNG"), ("graph.txt", b" ")],
)
def test_the_command_draws_what_the_name_of_the_file_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, begins: bytes
) -> None:
    monkeypatch.setenv("VOICEGRAPH_DATABASE_URL", "nowhere://")
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(SystemExit, match="^0$"):
        main(["draw", "--out", str(tmp_path / name)])
    assert (tmp_path / name).read_bytes().startswith(begins)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_the_command_writes_mermaid_to_the_output_stream(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(SystemExit, match="^0$"):
        main(["draw"])
    assert capsys.readouterr().out == draw_mermaid()


def test_a_terminal_gets_no_png(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    with pytest.raises(SystemExit, match="^2$"):
        main(["draw", "--format", "png"])
    assert "--out graph.png" in capsys.readouterr().err
