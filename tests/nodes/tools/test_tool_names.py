"""Any name of a tool is offered under a legal one, and calls find their way back."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.tools import StructuredTool

from voicegraph.nodes.tools.loading import load_tool
from voicegraph.nodes.tools.names import legal_name, matching_name, offered_names
from voicegraph.nodes.tools.toolbox import Toolbox
from voicegraph.state.errors import InvalidSetting

LEGAL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}")


def named(name: str) -> StructuredTool:
    return StructuredTool(name=name, description="Do it.", args_schema={}, func=lambda: "done")


@pytest.mark.parametrize(
    ("name", "legal"),
    [
        ("get_weather", "get_weather"),
        ("get-Weather_2", "get-Weather_2"),
        ("weather.get", "weather_get"),
        ("weather/get", "weather_get"),
        ("get weather", "get_weather"),
        ("2fa_check", "_2fa_check"),
        ("-x", "_-x"),
        ("météo", "meteo"),
        ("straße", "stra_e"),
        ("天気 get", "___get"),
        ("half \udce4", "half__"),
    ],
)
def test_a_name_becomes_one_that_providers_take(name: str, legal: str) -> None:
    assert legal_name(name) == legal


@pytest.mark.parametrize("name", ["天気", "...", "\udce4"])
def test_a_name_without_a_legal_character_gets_one_of_its_own(name: str) -> None:
    assert re.fullmatch("tool_[0-9a-f]{8}", legal_name(name))


def test_a_long_name_is_cut_and_told_apart_from_others_with_its_beginning() -> None:
    one, two = legal_name("x" * 78), legal_name("x" * 79)
    assert one != two
    assert {len(one), len(two)} == {64}
    assert one.startswith("x" * 55 + "_")


def test_names_that_become_the_same_are_told_apart_in_any_order() -> None:
    names = ["weather.get", "weather/get", "weather_get"]
    offered = offered_names(names)
    assert offered["weather_get"] == "weather_get"
    assert len(set(offered.values())) == 3
    assert offered_names(reversed(names)) == offered
    assert offered_names(["weather.get"]) == {"weather.get": "weather_get"}


@given(
    st.sets(
        st.text(st.sampled_from("a_.-é /2天\udce4"), min_size=1, max_size=4) | st.text(min_size=1), max_size=8
    )
)
def test_the_names_of_any_set_are_legal_and_unique(names: set[str]) -> None:
    offered = offered_names(names)
    assert all(LEGAL.fullmatch(name) for name in offered.values())
    assert len(set(offered.values())) == len(names)
    assert all(
        matching_name(legal, {v: k for k, v in offered.items()}) == legal for legal in offered.values()
    )


OFFERED = {
    "weather_get": "weather.get",
    "get_time": "get_time",
    "search": "search",
    "_2fa_check": "2fa_check",
}


@pytest.mark.parametrize(
    ("called", "found"),
    [
        ("weather_get", "weather_get"),
        ("weather.get", "weather_get"),
        ("Weather_Get", "weather_get"),
        ("weather-get", "weather_get"),
        ("weather__get", "weather_get"),
        ("GET_TIME", "get_time"),
        ("functions.get_time", "get_time"),
        ("default_api:search", "search"),
        ("functions.weather.get", None),
        ("2fa_check", "_2fa_check"),
        ("tools/2FA-check", "_2fa_check"),
        ("get", None),
        ("", None),
        ("functions.", None),
    ],
)
def test_a_call_finds_the_tool_that_alone_fits(called: str, found: str | None) -> None:
    assert matching_name(called, OFFERED) == found


def test_a_call_that_fits_several_tools_finds_none() -> None:
    assert matching_name("A.B", {"a_b": "a_b", "a-b": "a-b"}) is None
    assert matching_name("a-b", {"a_b": "a_b", "a-b": "a-b"}) == "a-b"


def test_a_tool_with_an_odd_name_is_described_by_its_legal_name() -> None:
    tool = load_tool(named("weather.get"))
    assert (tool.name, tool.offered) == ("weather.get", "weather_get")
    assert tool.describe(strict=True)["function"]["name"] == "weather_get"
    assert tool.describe(strict=False)["function"]["name"] == "weather_get"


def test_an_agents_tools_are_offered_under_names_of_their_own() -> None:
    tools = Toolbox([named("a.b"), named("a/b"), named("a_b")]).of_agent([])
    assert {tool.name: tool.describe(strict=True)["function"]["name"] for tool in tools.values()} == {
        tool.name: offered for offered, tool in tools.items()
    }
    assert len(tools) == 3
    assert tools["a_b"].name == "a_b"


@pytest.mark.parametrize("name", ["", "  ", "\x00"])
def test_a_tool_without_a_name_is_refused(name: Any) -> None:
    with pytest.raises(InvalidSetting, match="without a name"):
        load_tool(named(name))
