"""A caller's ear without a graph, and a tool call without a turn."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from langchain_core.runnables.config import var_child_runnable_config

from voicegraph.nodes.calls.invoke import invoke_tool
from voicegraph.nodes.speech.speech import Speaker
from voicegraph.nodes.tools.loading import load_tool
from voicegraph.nodes.tools.registry import ToolCallInfo
from voicegraph.state.agents.actors import Actor


class HandClock:
    """A clock that a test turns by hand."""

    def __init__(self, seconds: float = 1000.0) -> None:
        self.seconds = seconds

    def now(self) -> float:
        return self.seconds


class Ear:
    """Hears what a speaker says, event by event."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.speaker = Speaker(self.clock)
        self.events: list[dict[str, Any]] = []

    @property
    def heard(self) -> str:
        return "".join(event["content"] for event in self.events)

    async def listen(self, **config: Any) -> Speaker:
        """Attach the speaker, as a step of a graph does, and return it."""
        var_child_runnable_config.set({"tags": [], **config})
        await self.speaker.attach(self.events.append, "reply-1")
        return self.speaker


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture(scope="session")
def new_ear() -> type[Ear]:
    """Return how to make ears: a property test needs a new one for each example."""
    return Ear


INFO = ToolCallInfo(
    tool_call_id="call_1",
    thread_id="call-42",
    agent_id="agent-1",
    agent_name="default",
    time_zone="UTC",
    actor=Actor(),
)


@pytest.fixture
def run() -> Callable[..., Awaitable[tuple[str, str]]]:
    """Return how to run a tool with arguments: it gives the outcome and the text for the model."""

    async def run_it(source: Any, **arguments: Any) -> tuple[str, str]:
        loaded = load_tool(source)
        call: Any = {"name": loaded.name, "args": arguments, "id": "call_1", "type": "tool_call"}
        ended = await invoke_tool(loaded, call, INFO)
        return ended.outcome, ended.text

    return run_it
