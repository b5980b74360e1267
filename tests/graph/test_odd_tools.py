"""Tools that were made for other hosts: odd names, schemas, results and errors, in whole turns."""

import asyncio
import json
import logging
from typing import Annotated, Any

import pytest
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, InjectedToolArg, InjectedToolCallId, StructuredTool, tool
from langgraph.prebuilt import InjectedState, InjectedStore, ToolRuntime
from langgraph.store.base import BaseStore

from voicegraph.graph import build_graph, stream_turn
from voicegraph.nodes import ToolFinished, ToolStarted, TurnFinished, current_call
from voicegraph.nodes.testing import ScriptedChatModel, ScriptedReply, calls
from voicegraph.nodes.tools.results import SENTENCES
from voicegraph.state import Actor
from voicegraph.state.errors import InvalidSetting


@pytest.fixture
def voice_url(each_url: str) -> str:
    """Run these tests on both databases."""
    return each_url


CALL: Any = {"configurable": {"thread_id": "call-42", "user": "ada"}}


async def two_turns(open_voice: Any, reply: ScriptedReply, *tools: Any) -> tuple[list[Any], list[Any]]:
    """Run a turn with this reply and another after it; return the first one's events and window."""
    model = ScriptedChatModel([reply, "So it is.", "Still here."])
    async with open_voice(model, tools=tools) as resources:
        graph = build_graph(resources)
        events = [event async for event in stream_turn(graph, "Go.", CALL)]
        window = (await graph.aget_state(CALL)).values["messages"]
        next_events = [event async for event in stream_turn(graph, "And?", CALL)]
    assert isinstance(events[-1], TurnFinished)
    assert isinstance(next_events[-1], TurnFinished)
    json.dumps([message.model_dump() for message in window], ensure_ascii=False, default=str).encode()
    model.assert_done()
    return events, window


async def result_of(open_voice: Any, source: Any, **arguments: Any) -> ToolMessage:
    name = getattr(source, "name", None) or source.__name__
    _, window = await two_turns(open_voice, calls(name, **arguments), source)
    [result] = [message for message in window if isinstance(message, ToolMessage)]
    return result


async def test_half_a_character_in_a_result_is_replaced(open_voice: Any) -> None:
    def newest_report() -> str:
        """Return the name of the newest report."""
        return "report_\udce4.txt"

    assert (await result_of(open_voice, newest_report)).text == "report_\ufffd.txt"


async def test_a_nul_in_a_result_is_dropped(open_voice: Any) -> None:
    def read() -> str:
        """Read."""
        return "a\x00b"

    assert (await result_of(open_voice, read)).text == "ab"


async def test_records_with_a_type_reach_the_model_as_json(open_voice: Any) -> None:
    invoices = [{"type": "document", "title": "Invoice 1", "amount": 100}]

    def find_invoices() -> list[dict[str, Any]]:
        """Find invoices."""
        return invoices

    assert json.loads((await result_of(open_voice, find_invoices)).text) == invoices


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
    open_voice: Any, name: str, offered: str, called: str
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
    assert (reply.tool_calls[0]["name"], result.name, result.text) == (offered, offered, "Sunny in Rome.")
    assert window[1].tool_calls[0]["name"] == offered
    records = {record.role: record for record in stored if record.tool_calls or record.role == "tool"}
    assert records["assistant"].tool_calls[0]["name"] == records["tool"].name == name  # pyright: ignore


async def test_a_name_of_78_characters_is_offered_cut_and_found(open_voice: Any) -> None:
    name = "n" * 78
    model = ScriptedChatModel(
        lambda messages: "So it is." if messages[-1].type == "tool" else calls(seen[-1], city="Oslo")
    )
    seen: list[str] = []
    async with open_voice(model, tools=[named(name)]) as resources:
        seen += resources.toolbox.of_agent([])
        result = await build_graph(resources).ainvoke({"messages": [("user", "Go.")]}, CALL)
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
    open_voice: Any, range_schema: Any
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


async def test_injected_arguments_are_given_and_never_offered(open_voice: Any) -> None:
    got: dict[str, Any] = {}

    async def remember(
        query: str,
        runtime: ToolRuntime,
        state: Annotated[dict[str, Any], InjectedState],
        messages: Annotated[list[Any], InjectedState("messages")],
        store: Annotated[BaseStore | None, InjectedStore()],
        call_id: Annotated[str, InjectedToolCallId],
        config: RunnableConfig,
        limit: Annotated[int, InjectedToolArg] = 3,
    ) -> str:
        """Remember."""
        got.update(locals())
        return query

    _, window = await two_turns(
        open_voice, calls("remember", id="call_7", query="tea", state="forged", limit=9), remember
    )
    assert window[2].text == "tea"
    assert got["runtime"].tool_call_id == got["call_id"] == "call_7"
    assert got["runtime"].state["messages"] == got["messages"] == got["state"]["messages"]
    assert got["messages"][0].text == "Go."
    assert got["runtime"].context == {"organization": "default", "user": "ada", "agent": "default"}
    assert got["runtime"].config["configurable"]["thread_id"] == "call-42"
    assert got["config"]["configurable"]["thread_id"] == "call-42"
    assert callable(got["runtime"].stream_writer)
    assert "remember" in [given.name for given in got["runtime"].tools]
    assert got["store"] is got["runtime"].store is None
    assert got["limit"] == 3


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_a_tool_class_gets_its_injected_arguments(open_voice: Any, asynchronous: bool) -> None:
    class Look(BaseTool):
        name: str = "look"
        description: str = "Look."

        def _run(self, query: str, runtime: ToolRuntime, config: RunnableConfig) -> str:
            return f"{query} {runtime.tool_call_id} {config['configurable']['thread_id']}"  # pyright: ignore

    class LookSoon(Look):
        async def _arun(self, query: str, runtime: ToolRuntime, config: RunnableConfig) -> str:
            return self._run(query, runtime, config)

    _, window = await two_turns(
        open_voice, calls("look", id="call_7", query="tea"), LookSoon() if asynchronous else Look()
    )
    assert window[2].text == "tea call_7 call-42"


async def test_an_injected_key_of_the_state_that_is_missing_takes_its_default(open_voice: Any) -> None:
    def look(history: Annotated[list[Any], InjectedState("history")] = ["none"]) -> str:  # noqa: B006
        """Look."""
        return str(history)

    assert (await result_of(open_voice, look)).text in ("['none']", "[]")


def wants_store(query: str, store: Annotated[Any, InjectedStore()]) -> str:
    """Look."""
    return query


def wants_anything(query: str, customer: Annotated[str, InjectedToolArg]) -> str:
    """Look."""
    return query


def wants_unknown_key(query: str, cart: Annotated[list[str], InjectedState("cart")]) -> str:
    """Look."""
    return query


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (wants_store, "the tool 'wants_store' cannot be used: its argument 'store' wants LangGraph's store"),
        (wants_anything, "its argument 'customer' is injected by nobody"),
        (wants_unknown_key, "its argument 'cart' wants 'cart' of the state, which has no such key"),
        (tool("other")(wants_store), "the tool 'other' cannot be used: its argument 'store'"),
    ],
)
async def test_what_cannot_be_injected_is_refused_at_opening(
    open_voice: Any, source: Any, reason: str
) -> None:
    with pytest.raises(InvalidSetting) as refused:
        async with open_voice(ScriptedChatModel([]), tools=[source]):
            raise AssertionError("not reached")
    assert reason in str(refused.value)


BASE_ERRORS = [
    BaseExceptionGroup("x", [asyncio.CancelledError()]),
    KeyboardInterrupt(),
    SystemExit(1),
    GeneratorExit(),
    asyncio.CancelledError(),
]


@pytest.mark.parametrize("asynchronous", [True, False], ids=["coroutine", "thread"])
@pytest.mark.parametrize("error", BASE_ERRORS, ids=lambda error: type(error).__name__)
async def test_an_exception_that_would_end_more_than_the_tool_ends_the_tool(
    open_voice: Any, error: BaseException, asynchronous: bool
) -> None:
    async def soon() -> str:
        """Fail."""
        raise error

    def now() -> str:
        """Fail."""
        raise error

    source = soon if asynchronous else now
    events, window = await two_turns(open_voice, calls(source.__name__), source)
    [finished] = [event for event in events if isinstance(event, ToolFinished)]
    assert finished.status == "error"
    assert (finished.message or "").startswith(type(error).__name__)
    assert "test_odd_tools.py" in (finished.message or "")
    assert window[2].text == SENTENCES["error"]


async def test_a_raise_in_what_a_result_is_made_of_ends_the_tool_alone(open_voice: Any) -> None:
    class Odd:
        def __repr__(self) -> str:
            raise KeyboardInterrupt

    def look() -> Any:
        """Look."""
        return {"odd": Odd()}

    assert (await result_of(open_voice, look)).text == SENTENCES["error"]


async def test_a_raise_beside_the_tool_ends_the_call_alone(
    open_voice: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def look() -> str:
        """Look."""
        current_call().actor.organization_id  # noqa: B018
        return "done"

    class Broken:
        def __getattr__(self, name: str) -> Any:
            raise ZeroDivisionError

    model = ScriptedChatModel([calls("look"), "So it is."])
    async with open_voice(model, tools=[look]) as resources:
        tools = resources.toolbox.of_agent([])
        object.__setattr__(tools["look"], "injections", Broken())
        events = [event async for event in stream_turn(build_graph(resources), "Go.", CALL)]
    assert isinstance(events[-1], TurnFinished)
    assert "a tool call went wrong beside its tool" in caplog.text


async def test_a_success_has_no_message_and_a_time_out_says_its_limit(open_voice: Any) -> None:
    async def quick() -> str:
        """Be quick."""
        return "done"

    async def slow() -> str:
        """Wait."""
        await asyncio.Event().wait()
        return "never"

    model = ScriptedChatModel([calls("quick"), calls("slow"), "So it is."])
    async with open_voice(model, tools=[quick, slow], tool_timeout=0.05) as resources:
        events = [event async for event in stream_turn(build_graph(resources), "Go.", CALL)]
    messages = [event.message for event in events if isinstance(event, ToolFinished)]
    assert messages == [None, "no result within 0.05 seconds"]


async def test_a_tools_exception_is_told_to_its_author_and_to_nobody_else(
    open_voice: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)

    def fail() -> str:
        """Fail."""
        raise RuntimeError("password 12345")

    events, window = await two_turns(open_voice, calls("fail"), fail)
    [finished] = [event for event in events if isinstance(event, ToolFinished)]
    line = fail.__code__.co_firstlineno + 2
    assert finished.message == f"RuntimeError at test_odd_tools.py:{line} in fail"
    [record] = [record for record in caplog.records if record.name.startswith("voicegraph.nodes.tools")]
    known = {key: vars(record).get(key) for key in ("tool", "thread_id", "agent", "error")}
    assert known == {"tool": "fail", "thread_id": "call-42", "agent": "default", "error": finished.message}
    assert "12345" not in str([events, window, caplog.text, vars(record)])


async def test_an_agent_whose_tool_can_no_longer_be_imported_goes_on_without_it(
    open_voice: Any, caplog: pytest.LogCaptureFixture
) -> None:
    model = ScriptedChatModel([calls("gone"), "I have no such tool.", "Still here."])
    async with open_voice(model) as resources:
        await resources.store.actors.ensure(Actor(user_id="ada"))
        await resources.store.agents.create(
            Actor(user_id="ada"), "nina", tools=["no_such_module:gone", "archive"]
        )
        graph = build_graph(resources)
        call = {"configurable": {**CALL["configurable"], "agent": "nina"}}
        for words in ("Go.", "And?"):
            events = [event async for event in stream_turn(graph, words, call)]
            assert isinstance(events[-1], TurnFinished)
    assert model.requests[0].tools == ["current_time", "recall_memory", "archive"]
    [warning] = [record for record in caplog.records if "a tool of an agent cannot be used" in record.message]
    assert vars(warning)["tool"] == "no_such_module:gone"
