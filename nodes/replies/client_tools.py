"""Tools that a client runs itself: their calls are sent out, and end the turn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, ToolCall

from ...state.schema import Turn, VoiceState
from ..context import Context
from ..tools.arguments import definitions_of, restore_integers
from ..tools.registry import VoiceTool
from .reply import BAD_ARGUMENTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a step offers the model: the agent's tools, the client's tools and the client's settings."""

    tools: Sequence[VoiceTool]
    client_tools: Sequence[Mapping[str, Any]]
    settings: dict[str, Any]


def client_tools(state: VoiceState, context: Context, turn: Turn) -> list[Mapping[str, Any]]:
    """Return the client's tools, without those named like one of the agent's."""
    offered = turn.get("client_tools")
    if not offered:
        return []
    own = context.toolbox.of_agent(state["agent"]["tools"])
    return [tool for tool in offered if tool["function"]["name"] not in own]


def client_calls(state: VoiceState, context: Context, turn: Turn, reply: AIMessage) -> list[ToolCall]:
    """Return the calls of `reply` that the client must run, without those with invalid arguments."""
    names = {tool["function"]["name"] for tool in client_tools(state, context, turn)}
    bad = reply.additional_kwargs.get(BAD_ARGUMENTS, ())
    return [call for call in reply.tool_calls if call["name"] in names and call["id"] not in bad]


def client_arguments(tools: Sequence[Mapping[str, Any]], call: ToolCall) -> dict[str, Any]:
    """Return the arguments of a call of one of the `tools`, large integers restored by its schema."""
    functions = (tool["function"] for tool in tools)
    schema = next((each.get("parameters") for each in functions if each["name"] == call["name"]), None)
    return restore_integers(call["args"], schema, definitions_of(schema))


def own_name(turn: Turn, name: str) -> str:
    """Return the client's own name for the tool that is offered under `name`."""
    return turn.get("client_names", {}).get(name, name)


def offer(state: VoiceState, context: Context, turn: Turn) -> Offer:
    """Return what this step offers to the model; the last step offers no tools.

    A client's tool choice applies to its own tools, in the first step of the turn: in later steps, or with
    the agent's tools also on offer, the model would call tools forever.
    """
    settings = dict(turn.get("client_settings", {}))
    choice, parallel = (settings.pop(name, None) for name in ("tool_choice", "parallel_tool_calls"))
    if turn["step"] >= context.limits.max_steps:
        return Offer(tools=(), client_tools=(), settings=settings)
    own = tuple(context.toolbox.of_agent(state["agent"]["tools"]).values())
    theirs = client_tools(state, context, turn)
    if turn["step"] == 1 and is_choice_of(choice, theirs):
        own, settings["tool_choice"] = (), choice
    if parallel is not None and (own or theirs):
        settings["parallel_tool_calls"] = parallel
    return Offer(tools=own, client_tools=theirs, settings=settings)


def is_choice_of(choice: Any, tools: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether a tool choice applies to these tools: any tool, or one of them."""
    if choice is None or choice == "required":
        return choice is not None and bool(tools)
    return any(tool["function"]["name"] == choice["function"]["name"] for tool in tools)
