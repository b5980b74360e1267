"""Build the graph of a turn over a process's resources."""

from functools import lru_cache

from langgraph.graph.state import CompiledStateGraph

from ...nodes.context import Context
from ...state.schema import VoiceInput, VoiceOutput, VoiceState
from ..build import wire
from ..resources import Resources
from .turn_graph import TurnGraph


def build_graph(resources: Resources) -> TurnGraph:
    """Return LangGraph's compiled graph over these resources; each of its runs is a turn of a thread.

    `await graph.ainvoke({"messages": [("user", "Hello")]}, {"configurable": {"thread_id": "call-42"}})` runs
    one. `organization`, `user` and `agent` have defaults and may be given in `configurable` or as context.
    """
    return TurnGraph.over(_compiled(), resources)


@lru_cache  # It is independent of the resources, and compiling it takes longer than a turn.
def _compiled() -> CompiledStateGraph[VoiceState, Context, VoiceInput, VoiceOutput]:
    return wire().compile(name="voicegraph")
