"""Routing between steps: pure functions of the state. Their `Literal`s draw the edges."""

from typing import Literal

from langchain_core.messages import AIMessage

from ..state.schema import VoiceState


def after_llm(state: VoiceState) -> Literal["execute_tool", "persist_and_trim"]:
    """Run the tools that the reply calls; a reply without calls, or one that was cut off, ends the turn."""
    last = state["messages"][-1]
    calls = isinstance(last, AIMessage) and bool(last.tool_calls)
    return "execute_tool" if calls and state["turn"]["outcome"] == "running" else "persist_and_trim"


def after_heartbeat(state: VoiceState) -> Literal["rebuild_memory", "persist_and_trim"]:
    """Continue with the next model call, unless the turn was stopped meanwhile."""
    return "rebuild_memory" if state["turn"]["outcome"] == "running" else "persist_and_trim"
