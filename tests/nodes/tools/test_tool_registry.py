"""Tools by object and by path, their options, and errors that say in one line what is wrong."""

import functools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.tools import BaseTool, tool

from voicegraph.nodes.tools.built_in.catalog import BUILT_IN
from voicegraph.nodes.tools.built_in.clock import current_time
from voicegraph.nodes.tools.loading import load_tool
from voicegraph.nodes.tools.registry import (
    ToolCallInfo,
    ToolOptions,
    current_call,
    set_current_call,
    voice_tool,
)
from voicegraph.nodes.tools.toolbox import Toolbox
from voicegraph.state.agents.actors import Actor
from voicegraph.state.errors import InvalidSetting

CLOCK = "voicegraph.nodes.tools.built_in.clock:current_time"


def get_weather(city: str) -> str:
    """Tell the weather."""
    return f"Sunny in {city}."


async def get_tide(city: str) -> str:
    """Tell the tide."""
    return f"High in {city}."


@tool
def get_news(topic: str) -> str:
    """Tell the news."""
    return topic


class Other:
    pass


def takes_config(config: str) -> str:
    """Take what LangChain keeps."""
    return config


def other_arguments(what: Other) -> None:
    """Take what has no JSON schema."""


def no_docstring(city: str) -> str:
    return city


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder of modules of a test's own."""
    monkeypatch.syspath_prepend(tmp_path)
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("source", "name", "description"),
    [
        (get_weather, "get_weather", "Tell the weather."),
        (get_tide, "get_tide", "Tell the tide."),
        (get_news, "get_news", "Tell the news."),
        (CLOCK, "current_time", "Return today's date"),
    ],
)
def test_functions_langchain_tools_and_paths_are_tools(source: Any, name: str, description: str) -> None:
    loaded = load_tool(source)
    assert loaded.name == name
    assert loaded.describe(strict=True)["function"]["description"].startswith(description)
    assert loaded.options == ToolOptions()


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("get_weather", "write package.module:function"),
        ("voicegraph.nodes:", "write package.module:function"),
        (":get_weather", "write package.module:function"),
        ("", "write package.module:function"),
        ("no_such_package.tools:run", "cannot be imported: No module named 'no_such_package'"),
        (".relative:run", "cannot be imported"),
        ("voicegraph.nodes.tools.built_in.clock:no_such", "has no 'no_such'"),
        ("voicegraph.nodes.tools.built_in.clock:datetime", "type is not a tool"),
        ("voicegraph.nodes.speech.preamble:PREAMBLE", "str is not a tool"),
        (42, "int is not a tool"),
        (functools.partial(get_weather, "Rome"), "partial is not a tool"),
        (no_docstring, "'no_docstring' needs a docstring"),
        (lambda city: city, "needs a docstring"),
        (takes_config, "the tool 'takes_config' cannot be used: LangChain removes the argument 'config'"),
        (other_arguments, "'other_arguments' have no JSON schema"),
    ],
)
def test_what_is_no_tool_is_refused_in_one_line(source: Any, text: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        load_tool(source)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("def broken(:", "invalid syntax"),
        ("raise ValueError('first\\nsecond')", "first second"),
        ("raise AttributeError('no such thing')", "cannot be imported: no such thing"),
        ("assert False", "AssertionError"),
    ],
)
def test_a_module_that_fails_on_import_is_refused_in_one_line(modules: Path, code: str, text: str) -> None:
    (modules / "broken_tools.py").write_text(code)
    with pytest.raises(InvalidSetting) as caught:
        load_tool("broken_tools:run")
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


OPTIONS = ToolOptions(side_effects=True, idempotent=True, timeout=2.5)
marked = voice_tool(side_effects=True, idempotent=True, timeout=2.5)


def test_a_marked_function_keeps_its_options() -> None:
    @marked
    def book(guests: int) -> str:
        """Book a table."""
        return str(guests)

    assert load_tool(book).options == OPTIONS
    assert book(2) == "2"


def test_a_marked_coroutine_keeps_its_options() -> None:
    @marked
    async def book(guests: int) -> str:
        """Book a table."""
        return str(guests)

    assert load_tool(book).options == OPTIONS


def test_a_mark_inside_langchains_counts() -> None:
    @tool
    @marked
    async def book(guests: int) -> str:
        """Book a table."""
        return str(guests)

    assert load_tool(book).options == OPTIONS


def test_a_mark_around_langchains_counts() -> None:
    @marked
    @tool
    def book(guests: int) -> str:
        """Book a table."""
        return str(guests)

    assert isinstance(book, BaseTool)
    assert load_tool(book).options == OPTIONS


def test_options_may_stand_in_a_tools_metadata() -> None:
    known = get_news.model_copy(update={"metadata": {"side_effects": True, "owner": "ada"}})
    assert load_tool(known).options == ToolOptions(side_effects=True)


def test_an_agent_has_the_common_tools_and_then_its_own() -> None:
    box = Toolbox([get_weather, get_news])
    assert list(box.of_agent([])) == ["get_weather", "get_news"]
    assert list(box.of_agent([CLOCK])) == ["get_weather", "get_news", "current_time"]


def test_a_tool_that_is_named_twice_is_one() -> None:
    assert list(Toolbox().of_agent([CLOCK, CLOCK])) == ["current_time"]


def test_tools_are_loaded_once() -> None:
    box = Toolbox([get_weather])
    assert box.of_agent([CLOCK]) is box.of_agent([CLOCK])
    assert box.of_agent([CLOCK])["current_time"] is box.of_agent([CLOCK, CLOCK])["current_time"]
    assert box.of_agent([])["get_weather"] is box.of_agent([CLOCK])["get_weather"]


def test_two_tools_of_one_name_are_refused() -> None:
    @tool("current_time")
    def another() -> str:
        """Tell another time."""
        return "late"

    with pytest.raises(InvalidSetting, match="two tools are named 'current_time'"):
        Toolbox([another]).check([CLOCK])


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_tools_are_found_by_their_name(name: str) -> None:
    box = Toolbox()
    loaded = box.of_agent([name])[name]
    function = loaded.describe(strict=True)["function"]
    assert function["strict"] is True
    assert all("description" in part for part in function["parameters"]["properties"].values())
    assert box.of_agent([name, name]) == {name: loaded}


def test_no_agent_has_the_memory_tools_unasked() -> None:
    assert Toolbox([get_weather]).of_agent([]).keys() == {"get_weather"}


def test_an_unknown_name_is_told_with_those_that_there_are() -> None:
    with pytest.raises(InvalidSetting, match="'memory_apend' is not a tool: .* one of memory_append, "):
        load_tool("memory_apend")


def test_a_toolbox_with_a_bad_tool_is_not_made() -> None:
    with pytest.raises(InvalidSetting, match="needs a docstring"):
        Toolbox([get_weather, no_docstring])


def test_there_is_no_current_call_outside_a_tool() -> None:
    with pytest.raises(LookupError):
        current_call()


async def test_the_clock_tells_the_time_in_the_agents_zone() -> None:
    info = ToolCallInfo(
        tool_call_id="call_1",
        thread_id="call-42",
        agent_id="agent-1",
        agent_name="default",
        time_zone="Asia/Kathmandu",
        actor=Actor(),
    )
    set_current_call(info)
    assert current_call() is info
    assert current_time().endswith("(Asia/Kathmandu)")
