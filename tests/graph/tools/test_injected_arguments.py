"""Arguments that a tool gets from the process, as in LangGraph, and that no model is offered."""

from typing import Annotated, Any

import pytest
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, InjectedToolArg, InjectedToolCallId, tool
from langgraph.prebuilt import InjectedState, InjectedStore, ToolRuntime
from langgraph.store.base import BaseStore
from open_voice import OpenVoice
from tool_turns import result_of, two_turns

from voicegraph.nodes.testing import ScriptedChatModel, calls
from voicegraph.nodes.tools.loading import load_tool
from voicegraph.state.errors import InvalidSetting


async def test_injected_arguments_are_given_and_never_offered(open_voice: OpenVoice) -> None:
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
async def test_a_tool_class_gets_its_injected_arguments(open_voice: OpenVoice, asynchronous: bool) -> None:
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


async def test_an_injected_key_of_the_state_that_is_missing_takes_its_default(open_voice: OpenVoice) -> None:
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
        (wants_anything, "its argument 'customer' is never injected"),
        (wants_unknown_key, "its argument 'cart' wants 'cart' of the state, which has no such key"),
        (tool("other")(wants_store), "the tool 'other' cannot be used: its argument 'store'"),
    ],
)
async def test_what_cannot_be_injected_is_refused_at_opening(
    open_voice: OpenVoice, source: Any, reason: str
) -> None:
    with pytest.raises(InvalidSetting) as refused:
        async with open_voice(ScriptedChatModel([]), tools=[source]):
            raise AssertionError("not reached")
    assert reason in str(refused.value)


def optional_runtime(query: str, runtime: ToolRuntime | None = None) -> str:
    """Look."""
    return f"{query} {runtime.tool_call_id if runtime else '-'}"


def runtime_by_name(query: str, runtime) -> str:  # pyright: ignore
    """Look."""
    return f"{query} {runtime.tool_call_id}"  # pyright: ignore


def typed_runtime(query: str, runtime: "ToolRuntime[Any, dict[str, Any]]") -> str:
    """Look."""
    return f"{query} {runtime.tool_call_id}"


@pytest.mark.parametrize("source", [optional_runtime, runtime_by_name, typed_runtime])
async def test_a_runtime_is_given_however_it_is_written(open_voice: OpenVoice, source: Any) -> None:
    assert list(load_tool(source).parameters["properties"]) == ["query"]
    _, window = await two_turns(open_voice, calls(source.__name__, id="call_7", query="tea"), source)
    assert window[2].text == "tea call_7"


async def test_an_argument_of_another_type_that_is_called_runtime_is_the_models(
    open_voice: OpenVoice,
) -> None:
    def find_film(runtime: int) -> str:
        """Find a film."""
        return f"{runtime} minutes"

    assert (await result_of(open_voice, find_film, runtime=90)).text == "90 minutes"
