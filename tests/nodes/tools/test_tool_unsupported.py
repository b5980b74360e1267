"""What LangGraph's tools may do and a turn does not: refused when it can be seen, a failed call otherwise."""

import functools
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from calling import user_says
from langchain_core.tools import BaseTool, StructuredTool, tool
from langgraph.types import Command, interrupt
from open_voice import OpenVoice
from run_tool import RunTool

from voicegraph.nodes.calls.invoke import Ended, invoke_tool
from voicegraph.nodes.tools.loading import load_tool
from voicegraph.nodes.tools.registry import ToolCallInfo
from voicegraph.nodes.tools.results.results import SENTENCES
from voicegraph.state.agents.actors import Actor
from voicegraph.state.errors import InvalidSetting

FAILED = ("error", SENTENCES["error"])
INFO = ToolCallInfo(
    tool_call_id="call_1",
    thread_id="call-42",
    agent_id="agent-1",
    agent_name="nina",
    time_zone="UTC",
    actor=Actor(),
)


async def ended(source: Any, **arguments: Any) -> Ended:
    call: Any = {"name": "it", "args": arguments, "id": "call_1", "type": "tool_call"}
    return await invoke_tool(load_tool(source), call, INFO)


def sync_generator() -> Any:
    """Count."""
    yield "one"


async def async_generator() -> Any:
    """Count."""
    yield "one"


def typed_generator() -> Iterator[str]:
    """Count."""
    return iter(["one"])


async def typed_async() -> AsyncIterator[str]:
    """Count."""
    raise NotImplementedError


def command() -> Command[Any]:
    """Go."""
    return Command(goto="there")


async def maybe_command() -> "str | Command[Any]":
    """Go."""
    return Command(goto="there")


def commands() -> "list[Command[Any]]":
    """Go."""
    return [Command(goto="there")]


@functools.wraps(sync_generator)
def wrapped(*arguments: Any) -> Any:
    return sync_generator(*arguments)


class Generating(BaseTool):
    name: str = "generating"
    description: str = "Count."

    def _run(self) -> Any:
        yield "one"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (sync_generator, "'sync_generator' cannot be used: it is a generator"),
        (async_generator, "'async_generator' cannot be used: it is a generator"),
        (typed_generator, "it returns an iterator"),
        (typed_async, "it returns an iterator"),
        (wrapped, "it is a generator"),
        (Generating(), "'generating' cannot be used: it is a generator"),
        (command, "'command' cannot be used: it returns a Command"),
        (maybe_command, "it returns a Command"),
        (commands, "it returns a Command"),
        (tool("go")(command), "'go' cannot be used: it returns a Command"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_tool_that_gives_back_what_no_turn_carries_out_is_refused(source: Any, reason: str) -> None:
    with pytest.raises(InvalidSetting) as refused:
        load_tool(source)
    assert reason in str(refused.value)


async def plain_text() -> str:
    return "Sunny."


def returning(value: Any) -> Any:
    def tell() -> Any:
        """Tell."""
        return value() if callable(value) else value

    return tell


async def test_a_coroutine_that_a_plain_function_returns_is_awaited(run: RunTool) -> None:
    assert await run(returning(plain_text)) == ("success", "Sunny.")


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        (Command(goto="there"), "a Command is not supported as a result"),
        ([Command(goto="there")], "a Command is not supported as a result"),
        (sync_generator, "a generator is not supported as a result"),
        (async_generator, "a async_generator is not supported as a result"),
    ],
)
async def test_what_is_seen_only_when_it_runs_fails_with_advice_to_the_author(
    caplog: pytest.LogCaptureFixture, value: Any, advice: str
) -> None:
    outcome = await ended(returning(value))
    assert (outcome.outcome, outcome.text) == FAILED
    assert advice in (outcome.message or "")
    assert advice in caplog.text


@pytest.mark.parametrize("kind", ["content", "content_and_artifact"])
async def test_an_artifact_is_not_for_the_model(kind: Any) -> None:
    def look() -> Any:
        """Look."""
        return ([{"type": "document", "title": "A"}], object()) if kind != "content" else ("a", "b")

    outcome = await ended(StructuredTool.from_function(look, response_format=kind))
    assert outcome.text == ('["a", "b"]' if kind == "content" else '[{"type": "document", "title": "A"}]')


async def test_a_tool_that_promises_an_artifact_and_gives_none_fails() -> None:
    def look() -> Any:
        """Look."""
        return "only this"

    assert (
        await ended(StructuredTool.from_function(look, response_format="content_and_artifact"))
    ).outcome == "error"


async def test_a_tool_object_keeps_what_it_notes_in_itself() -> None:
    class Counting(BaseTool):
        name: str = "count"
        description: str = "Count."
        count: int = 0

        def _run(self) -> str:
            self.count += 1
            return str(self.count)

    counting = Counting()
    assert [(await ended(counting)).text, (await ended(counting)).text] == ["1", "2"]
    assert counting.count == 2


async def test_a_tool_that_uses_its_plain_form_inside_gets_what_that_returns() -> None:
    class Loud(BaseTool):
        name: str = "loud"
        description: str = "Say."

        def _run(self) -> str:
            return "hello"

        async def _arun(self) -> str:
            return self._run().upper()

    assert (await ended(Loud())).text == "HELLO"


async def test_a_question_to_a_person_in_the_midst_of_a_tool_is_not_supported(
    open_voice: OpenVoice, caplog: pytest.LogCaptureFixture
) -> None:
    from voicegraph.graph import build_graph
    from voicegraph.nodes.testing import ScriptedChatModel, calls

    def ask() -> str:
        """Ask."""
        return interrupt("Really?")

    model = ScriptedChatModel([calls("ask"), "It did not work."])
    async with open_voice(model, tools=[ask]) as resources:
        result = await build_graph(resources).ainvoke(
            user_says("Go."), {"configurable": {"thread_id": "call-42"}}
        )
    assert result["messages"][-2].text == SENTENCES["error"]
    assert "interrupt() is not supported in a tool" in caplog.text
