"""A caller's ear without a graph, a step and a tool call without a turn."""

from functools import partial
from typing import Any

import pytest
from ear import Ear
from one_step import Step, one_step
from run_tool import RunTool

from voicegraph.nodes.calls.invoke import invoke_tool
from voicegraph.nodes.tools.loading import load_tool
from voicegraph.nodes.tools.registry import ToolCallInfo
from voicegraph.state.agents.actors import Actor


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
def step(database_url: str) -> Step:
    """Return how to open what a step is called with, over the test's database."""
    return partial(one_step, database_url)


@pytest.fixture
def run() -> RunTool:
    """Return how to run a tool with arguments: it gives the outcome and the text for the model."""

    async def run_it(source: Any, **arguments: Any) -> tuple[str, str]:
        loaded = load_tool(source)
        call: Any = {"name": loaded.name, "args": arguments, "id": "call_1", "type": "tool_call"}
        ended = await invoke_tool(loaded, call, INFO)
        return ended.outcome, ended.text

    return run_it
