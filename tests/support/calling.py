"""The call of most tests, what is said in it, and replies that wait."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from langchain_core.runnables import RunnableConfig

from voicegraph.graph import stream_turn
from voicegraph.graph.turns.turn_graph import TurnGraph
from voicegraph.nodes.testing import ScriptedReply
from voicegraph.state.schema import VoiceInput


def call_with(**more: str) -> RunnableConfig:
    """Return the configuration of a turn in this call, with other entries beside or instead of the thread."""
    return {"configurable": {"thread_id": "call-42", **more}}


CALL = call_with()


def user_says(text: str) -> VoiceInput:
    """Return the input of a turn, in the short form that LangGraph takes."""
    messages: Any = [("user", text)]
    return {"messages": messages}


def held(text: str, after: int) -> ScriptedReply:
    """Return a reply that speaks `after` words and then waits for ever."""
    return ScriptedReply(text=text, hold=asyncio.Event(), hold_after=after)


async def spoken_until(
    graph: TurnGraph, words: int, text: str = "Count.", call: RunnableConfig = CALL
) -> AsyncGenerator[Any, None]:
    """Start a turn and listen until `words` words were spoken; return the still open stream."""
    stream = stream_turn(graph, text, call)
    for _ in range(words):
        await anext(stream)
    return stream
