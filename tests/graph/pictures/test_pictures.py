"""Turns as pictures: what they tell, that nothing is cut, and that nothing else is touched."""

import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from calling import CALL
from IPython.core.formatters import DisplayFormatter

from voicegraph.graph import (
    BlockDiff,
    RecordedTurn,
    Resources,
    build_graph,
    diff_block,
    draw_graph,
    draw_turn,
    last_turn,
    plot_latency,
    plot_turn,
    plot_window,
    record_turn,
    stream_turn,
)
from voicegraph.nodes import Event, Speech, ToolFinished, ToolStarted, TurnFinished
from voicegraph.nodes.testing import ScriptedChatModel, ScriptItem, calls
from voicegraph.nodes.turn.events import encode_event
from voicegraph.state import Actor
from voicegraph.state.errors import InvalidInput, MissingExtra, NotFound, ThreadNotFound

WEATHER: list[ScriptItem] = [calls("get_weather", "Let me look.", city="Rome"), "Sunny."]
WAY = [
    "rebuild_memory",
    "call_llm",
    "execute_tool",
    "heartbeat",
    "rebuild_memory",
    "call_llm",
    "persist_and_trim",
]
Open = Callable[..., AbstractAsyncContextManager[Resources]]


def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"Sunny in {city}."


def ended(steps: int, reason: str = "stop", first: float | None = 0.5) -> TurnFinished:
    return TurnFinished(
        turn_id="t1",
        finish_reason=reason,
        usage={"input_tokens": 0, "output_tokens": 0, "cached_tokens": 0},
        steps=steps,
        first_speech_seconds=first,
        seconds=2.0,
    )


def started(name: str = "get_weather") -> ToolStarted:
    return ToolStarted(tool_call_id="c1", name=name, arguments={})


def finished(name: str = "get_weather", seconds: float = 0.6) -> ToolFinished:
    return ToolFinished(tool_call_id="c1", name=name, status="success", seconds=seconds)


EVENTS: list[Event] = [
    Speech(content="Let me look."),
    started(),
    finished(),
    Speech(content="Sunny."),
    ended(2),
]


@pytest.fixture
async def recorded(open_voice: Open) -> RecordedTurn:
    async with open_voice(ScriptedChatModel(WEATHER), tools=[get_weather]) as resources:
        return await record_turn(build_graph(resources), "The weather?", CALL)


def edges(mermaid: str) -> dict[tuple[str, str], str]:
    """Return the arrows of a drawing and how each is drawn: `==>` taken, `.->` not."""
    lines = [
        line.strip().rstrip(";").split() for line in mermaid.splitlines() if "->" in line or "=>" in line
    ]
    return {(line[0], line[-1]): line[-2][-3:] for line in lines}


def test_a_turn_is_drawn_over_the_graph_from_its_events() -> None:
    drawn = draw_turn(EVENTS).mermaid
    assert 'call_llm("call_llm<br/>2 times")' in drawn
    assert 'execute_tool("execute_tool<br/>once<br/>get_weather: success, 600 ms")' in drawn
    assert [edge for edge, arrow in edges(drawn).items() if arrow == ".->"] == [
        ("heartbeat", "persist_and_trim")
    ]


def test_plain_dicts_of_the_custom_stream_are_taken_too() -> None:
    dicts = [{"type": "foreign"}, *(encode_event(event) for event in EVENTS)]
    assert draw_turn(dicts).mermaid == draw_turn(EVENTS).mermaid


def test_a_turn_without_tools_leaves_their_steps_out() -> None:
    drawn = draw_turn([Speech(content="Hi."), ended(1)]).mermaid
    assert '\texecute_tool("execute_tool"):::free' in drawn
    assert edges(drawn)["call_llm", "persist_and_trim"] == "==>"


def test_a_turn_that_was_interrupted_while_tools_ran_ends_behind_them() -> None:
    drawn = draw_turn(
        [Speech(content="Let me look."), started(), finished(), ended(1, "interrupted")]
    ).mermaid
    ways = edges(drawn)
    assert (ways["heartbeat", "persist_and_trim"], ways["call_llm", "persist_and_trim"]) == ("==>", ".->")


def test_a_name_that_a_model_made_up_cannot_break_the_drawing() -> None:
    drawn = draw_turn([finished('"];evil[<x>'), Speech(content="."), ended(2)])
    assert "___evil__x_: success" in drawn.mermaid
    assert "___evil__x_" in "".join(ElementTree.fromstring(drawn.svg()).itertext())


def test_events_of_a_turn_that_goes_on_are_refused() -> None:
    with pytest.raises(InvalidInput, match="end"):
        draw_turn(EVENTS[:-1])


async def test_a_recorded_turn_knows_its_way_and_times(recorded: RecordedTurn) -> None:
    assert [step.name for step in recorded.steps] == WAY
    assert all(step.began is not None and step.seconds is not None for step in recorded.steps)
    assert [(tool.name, tool.status) for tool in recorded.tools] == [("get_weather", "success")]
    assert recorded.speech
    assert recorded.window == 4


async def test_the_last_turn_is_read_from_what_is_stored(open_voice: Open) -> None:
    async with open_voice(ScriptedChatModel(["Hello.", *WEATHER]), tools=[get_weather]) as resources:
        graph = build_graph(resources)
        with pytest.raises(ThreadNotFound):
            await last_turn(graph, "call-42")
        for words in ("Hello.", "The weather?"):
            _ = [event async for event in stream_turn(graph, words, CALL)]
        turn = await last_turn(graph, "call-42")
        assert [step.name for step in turn.steps] == WAY
        assert all(step.seconds is not None for step in turn.steps)
        assert [(tool.name, tool.status) for tool in turn.tools] == [("get_weather", "success")]
        assert "2 times, " in draw_turn(turn).mermaid
        with pytest.raises(ThreadNotFound):
            await last_turn(graph, "call-42", actor=Actor("default", "eve"))
        await resources.store.threads.claim(
            Actor(), (await resources.store.agents.get(Actor(), "default")).id, "empty"
        )
        with pytest.raises(NotFound, match="no turn"):
            await last_turn(graph, "empty")


async def test_steps_whose_checkpoints_are_gone_are_still_counted(open_voice: Open) -> None:
    async with open_voice(ScriptedChatModel(WEATHER), tools=[get_weather], checkpoints_kept=3) as resources:
        graph = build_graph(resources)
        _ = [event async for event in stream_turn(graph, "The weather?", CALL)]
        turn = await last_turn(graph, "call-42")
        assert [step.name for step in turn.steps] == WAY
        assert [step.seconds is None for step in turn.steps] == [True] * 5 + [False] * 2
        assert "2 times, more than " in draw_turn(turn).mermaid


async def test_plots_are_svg_png_and_pdf(recorded: RecordedTurn, tmp_path: Path) -> None:
    kinds = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}
    for plot in (plot_turn(recorded), plot_latency([recorded]), plot_window([recorded])):
        for kind, begins in kinds.items():
            assert plot.save(tmp_path / f"plot.{kind}").read_bytes().startswith(begins)
        assert "<svg" in plot._repr_svg_()


async def test_a_file_that_cannot_be_written_is_named(recorded: RecordedTurn, tmp_path: Path) -> None:
    for wrong in ("plot.gif", "plot", "missing/plot.svg"):
        with pytest.raises(InvalidInput):
            plot_turn(recorded).save(tmp_path / wrong)


async def test_plotting_leaves_pyplot_alone(recorded: RecordedTurn) -> None:
    import matplotlib as mpl

    settings = dict(mpl.rcParams)
    loaded = "matplotlib.pyplot" in sys.modules
    plot_turn(recorded).svg()
    assert dict(mpl.rcParams) == settings
    assert ("matplotlib.pyplot" in sys.modules) == loaded


def test_first_words_of_two_kinds_of_turns_are_compared() -> None:
    slow = [ended(1, first=first) for first in (1.0, 2.0, 3.0)]
    quick = [[Speech(content="Hi."), ended(1, first=0.25)], ended(1, first=None)]
    plot = plot_latency({"alone": slow, "hedged": quick})
    assert repr(plot) == "alone: median 2.00 s, 95 % under 3.00 s; hedged: median 250 ms, 95 % under 250 ms"


def test_plots_of_nothing_are_refused() -> None:
    for plot in (
        lambda: plot_latency([]),
        lambda: plot_latency([ended(1, first=None)]),
        lambda: plot_window([]),
        lambda: plot_turn(EVENTS),
    ):
        with pytest.raises(InvalidInput):
            plot()


@pytest.mark.parametrize("plot", [plot_latency, plot_window])
def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, plot: Callable[..., Any]) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtra, match=r"voicegraph\[viz\]"):
        plot([RecordedTurn(steps=(), first_speech_seconds=1.0, window=2)])


def test_a_change_of_a_block_is_shown_by_words() -> None:
    diff = diff_block("Called <Bob>.", "Called <Ada>.", title="human")
    assert repr(diff) == "human\nCalled <[-Bob-]{+Ada+}>."
    assert "&lt;<del>Bob</del>&thinsp;<ins><b>Ada</b></ins>&gt;" in diff._repr_html_()


async def test_versions_of_a_block_name_themselves(open_voice: Open, tmp_path: Path) -> None:
    async with open_voice(ScriptedChatModel([])) as resources:
        blocks = resources.store.blocks
        block = await blocks.create(Actor(), "human", "Called Bob.")
        newer = await blocks.write(Actor(), block.id, "Called Ada.", changed_by="agent")
        first, second = await blocks.history(Actor(), block.id)
    assert diff_block(block, newer).title == "human: version 1 to 2"
    diff: BlockDiff = diff_block(first, second)
    assert diff.title == "version 1 to 2, by agent"
    assert "[-Bob-]" in diff.save(tmp_path / "diff.txt").read_text()


def shown(value: object) -> dict[str, Any]:
    """Return what a notebook cell shows of a value that stands in its last line."""
    return DisplayFormatter().format(value)[0]


async def test_a_graph_as_the_last_line_of_a_cell_is_drawn_here(
    open_voice: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("langchain_core.runnables.graph_mermaid._render_mermaid_using_api", refuse)
    async with open_voice(ScriptedChatModel([])) as resources:
        graph = build_graph(resources)
        assert shown(graph)["image/svg+xml"].startswith("<svg")
        assert "image/png" not in shown(graph)
        assert shown(graph.get_graph()).keys() == {"text/plain"}


async def test_without_the_extra_a_cell_shows_mermaid_text(
    open_voice: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mmdr", None)
    async with open_voice(ScriptedChatModel([])) as resources:
        for value in (build_graph(resources), draw_graph(), draw_turn(EVENTS)):
            assert shown(value).keys() == {"text/plain"}
            assert "call_llm" in shown(value)["text/plain"]


def refuse(*_: object, **__: object) -> None:
    raise AssertionError("a picture was asked of a server")
