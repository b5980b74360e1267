"""A tool that fails in any way, in whole turns: its call fails, its author is told, the turn goes on."""

import asyncio
import logging
from typing import Any

import pytest
from calling import call_with
from open_voice import OpenVoice
from tool_turns import CALL, result_of, two_turns

from voicegraph.graph import build_graph, stream_turn
from voicegraph.nodes import ToolFinished, TurnFinished
from voicegraph.nodes.testing import ScriptedChatModel, calls
from voicegraph.nodes.tools.results.results import SENTENCES
from voicegraph.state import Actor

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
    open_voice: OpenVoice, error: BaseException, asynchronous: bool
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
    assert "test_failing_tools.py" in (finished.message or "")
    assert window[2].text == SENTENCES["error"]


async def test_a_raise_in_what_a_result_is_made_of_ends_the_tool_alone(open_voice: OpenVoice) -> None:
    class Odd:
        def __repr__(self) -> str:
            raise KeyboardInterrupt

    def look() -> Any:
        """Look."""
        return {"odd": Odd()}

    assert (await result_of(open_voice, look)).text == SENTENCES["error"]


async def test_a_raise_beside_the_tool_ends_the_call_alone(
    open_voice: OpenVoice, caplog: pytest.LogCaptureFixture
) -> None:
    def look() -> str:
        """Look."""
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
    assert "a tool call failed outside its tool" in caplog.text


async def test_a_success_has_no_message_and_a_time_out_says_its_limit(open_voice: OpenVoice) -> None:
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
    open_voice: OpenVoice, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)

    def fail() -> str:
        """Fail."""
        raise RuntimeError("password 12345")

    events, window = await two_turns(open_voice, calls("fail"), fail)
    [finished] = [event for event in events if isinstance(event, ToolFinished)]
    line = fail.__code__.co_firstlineno + 2
    assert finished.message == f"RuntimeError at test_failing_tools.py:{line} in fail"
    [record] = [record for record in caplog.records if record.name.startswith("voicegraph.nodes.calls")]
    known = {key: vars(record).get(key) for key in ("tool", "thread_id", "agent", "error")}
    assert known == {"tool": "fail", "thread_id": "call-42", "agent": "default", "error": finished.message}
    assert "12345" not in str([events, window, caplog.text, vars(record)])


async def test_an_agent_whose_tool_can_no_longer_be_imported_goes_on_without_it(
    open_voice: OpenVoice, caplog: pytest.LogCaptureFixture
) -> None:
    model = ScriptedChatModel([calls("gone"), "I have no such tool.", "Still here."])
    async with open_voice(model) as resources:
        await resources.store.actors.ensure(Actor(user_id="ada"))
        await resources.store.agents.create(
            Actor(user_id="ada"), "nina", tools=["no_such_module:gone", "archive"]
        )
        graph = build_graph(resources)
        call = call_with(user="ada", agent="nina")
        for words in ("Go.", "And?"):
            events = [event async for event in stream_turn(graph, words, call)]
            assert isinstance(events[-1], TurnFinished)
    assert model.requests[0].tools == ["current_time", "recall_memory", "archive"]
    [warning] = [record for record in caplog.records if "a tool of an agent cannot be used" in record.message]
    assert vars(warning)["tool"] == "no_such_module:gone"
