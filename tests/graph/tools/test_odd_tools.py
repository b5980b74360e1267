"""Tools that were made for other hosts, in whole turns: odd names and schemas."""

from typing import Any

import pytest
from calling import user_says
from langchain_core.messages import AIMessage
from langchain_core.tools import StructuredTool
from open_voice import OpenVoice
from openai_server import OpenAIServer, text, tool_calls
from openai_server.script import ToolCall
from tool_turns import CALL, result_of

from voicegraph.graph import build_graph, stream_turn
from voicegraph.nodes import ToolFinished, ToolStarted, TurnFinished
from voicegraph.nodes.testing import ScriptedChatModel, calls
from voicegraph.state import Actor


def named(name: str) -> StructuredTool:
    async def weather(city: str) -> str:
        """Tell the weather."""
        return f"Sunny in {city}."

    return StructuredTool.from_function(coroutine=weather, name=name)


@pytest.mark.parametrize(
    ("name", "offered", "called"),
    [
        ("weather.get", "weather_get", "weather_get"),
        ("weather.get", "weather_get", "weather.get"),
        ("weather.get", "weather_get", "Weather-Get"),
        ("weather/get it", "weather_get_it", "weather_get_it"),
        ("2weather", "_2weather", "2weather"),
        ("get_weather", "get_weather", "functions.get_weather"),
    ],
)
async def test_a_tool_with_an_odd_name_is_offered_under_a_legal_one_and_found(
    open_voice: OpenVoice, name: str, offered: str, called: str
) -> None:
    model = ScriptedChatModel([calls(called, city="Rome"), "So it is."])
    async with open_voice(model, tools=[named(name)]) as resources:
        graph = build_graph(resources)
        events = [event async for event in stream_turn(graph, "Weather?", CALL)]
        window = (await graph.aget_state(CALL)).values["messages"]
        await resources.background.drain(5)
        stored = await resources.store.messages.history(Actor(user_id="ada"), "call-42")
    [started] = [event for event in events if isinstance(event, ToolStarted)]
    [finished] = [event for event in events if isinstance(event, ToolFinished)]
    assert (started.name, finished.name, finished.status) == (name, name, "success")
    assert offered in model.requests[0].tools
    reply, result = model.requests[1].messages[2:4]
    assert isinstance(reply, AIMessage)
    assert (reply.tool_calls[0]["name"], result.name) == (offered, offered)
    assert result.text.startswith("Sunny in Rome.")
    assert window[1].tool_calls[0]["name"] == offered
    records = {record.role: record for record in stored if record.tool_calls or record.role == "tool"}
    assert records["assistant"].tool_calls[0]["name"] == records["tool"].name == name  # pyright: ignore


async def test_a_name_of_78_characters_is_offered_cut_and_found(open_voice: OpenVoice) -> None:
    name = "n" * 78
    model = ScriptedChatModel(
        lambda messages: "So it is." if messages[-1].type == "tool" else calls(seen[-1], city="Oslo")
    )
    seen: list[str] = []
    async with open_voice(model, tools=[named(name)]) as resources:
        seen += resources.toolbox.of_agent([])
        result = await build_graph(resources).ainvoke(user_says("Go."), CALL)
    assert len(seen[-1]) == 64
    assert result["messages"][-2].text == "Sunny in Oslo."


@pytest.mark.parametrize(
    "range_schema",
    [
        {"type": "array", "items": [{"type": "number"}, {"type": "number"}]},
        {"type": "array", "prefixItems": [{"type": "number"}, {"type": "number"}], "items": False},
        {"type": "array", "items": False},
        {"type": "array", "items": True},
        True,
        {"$ref": "#/$defs/Range"},
    ],
    ids=str,
)
async def test_a_tool_with_a_tuple_or_a_boolean_for_a_schema_gets_its_arguments(
    open_voice: OpenVoice, range_schema: Any
) -> None:
    got: list[Any] = []
    schema = {
        "type": "object",
        "properties": {"range": range_schema, "note": {"type": "string"}},
        "$defs": {"Range": {"anyOf": [{"items": {"$ref": "#/$defs/Range"}}, {"type": "number"}]}},
    }
    look = StructuredTool(
        name="look", description="Look.", args_schema=schema, func=lambda **given: got.append(given) or "done"
    )
    assert (await result_of(open_voice, look, range=[1, 2], note=None)).text == "done"
    assert got == [{"range": [1, 2]}]


NODE = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}
NODES = {"type": ["array", "null"], "items": NODE}
ODD_SCHEMAS: list[Any] = [
    {"type": "object", "properties": {"it": NODES}, "$defs": {"Node": NODE}},
    {"type": "object", "properties": {"it": {"type": "array", "items": [True, {"type": "number"}]}}},
    {
        "anyOf": [{"properties": {"x": True}}, {"properties": {"y": {"oneOf": [NODE]}}}],
        "$defs": {"Node": NODE},
    },
    {"type": "object", "properties": {"it": {"allOf": [{"type": "string"}, {"not": {"const": ""}}]}}},
    {"type": "object", "properties": {"it": {"enum": [f"value {number}" for number in range(2_000)]}}},
    {},
]


def odd_tool(number: int) -> StructuredTool:
    return StructuredTool(
        name=f"odd.{number} {'n' * 70}",
        description="Do it. " * 300,
        args_schema=ODD_SCHEMAS[number],
        func=lambda **_: "done",
    )


async def test_openai_takes_a_request_with_all_of_them(
    open_voice: OpenVoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = ToolCall("strange_one", "{}", id="call_1")
    with OpenAIServer(tool_calls([call]), text("So it is.")) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        async with open_voice("openai:test", tools=map(odd_tool, range(len(ODD_SCHEMAS)))) as resources:
            events = [event async for event in stream_turn(build_graph(resources), "Go.", CALL)]
        assert [violation for request in server.requests for violation in request.violations] == []
        strict = {tool["function"].get("strict") for tool in server.requests[0].body["tools"]}
    assert isinstance(events[-1], TurnFinished)
    assert len(strict) == 1
