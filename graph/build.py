"""The graph of a turn: five steps and two decisions."""

from typing import cast

from langgraph.graph import END, START, StateGraph

from ..nodes.call_llm import call_llm
from ..nodes.context import CallContext, Context
from ..nodes.execute_tool import execute_tool
from ..nodes.heartbeat import heartbeat
from ..nodes.persist_and_trim import persist_and_trim
from ..nodes.rebuild_memory import rebuild_memory
from ..state.schema import VoiceInput, VoiceOutput, VoiceState
from .routing import after_heartbeat, after_llm


def wire() -> StateGraph[VoiceState, Context, VoiceInput, VoiceOutput]:
    """Return the uncompiled graph of steps and edges; it needs no resources."""
    # Callers may pass a `CallContext`; `TurnGraph` turns it into the `Context` that the steps get.
    context_schema = cast(type[Context], CallContext)
    graph = StateGraph(VoiceState, context_schema, input_schema=VoiceInput, output_schema=VoiceOutput)

    graph.add_node("rebuild_memory", rebuild_memory)
    graph.add_node("call_llm", call_llm)
    graph.add_node("execute_tool", execute_tool)
    graph.add_node("heartbeat", heartbeat)
    graph.add_node("persist_and_trim", persist_and_trim)

    graph.add_edge(START, "rebuild_memory")
    graph.add_edge("rebuild_memory", "call_llm")
    graph.add_conditional_edges("call_llm", after_llm)
    graph.add_edge("execute_tool", "heartbeat")
    graph.add_conditional_edges("heartbeat", after_heartbeat)
    graph.add_edge("persist_and_trim", END)

    return graph
