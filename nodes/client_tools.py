"""Tools that a client of the endpoint runs itself: their calls go out, and end the turn."""

from collections.abc import Mapping
from typing import Any

from langchain_core.messages import AIMessage, ToolCall

from ..state.schema import Turn, VoiceState
from .context import Context
from .reply import BAD_ARGUMENTS


def client_tools(state: VoiceState, context: Context, turn: Turn) -> list[Mapping[str, Any]]:
    """Return the client's tools, without those whose names the agent's own have."""
    offered = turn.get("client_tools")
    if not offered:
        return []
    own = context.toolbox.of_agent(state["agent"]["tools"])
    return [tool for tool in offered if tool["function"]["name"] not in own]


def client_calls(state: VoiceState, context: Context, turn: Turn, reply: AIMessage) -> list[ToolCall]:
    """Return the calls of `reply` that the client is to run; those with broken arguments are none."""
    names = {tool["function"]["name"] for tool in client_tools(state, context, turn)}
    bad = reply.additional_kwargs.get(BAD_ARGUMENTS, ())
    return [call for call in reply.tool_calls if call["name"] in names and call["id"] not in bad]
