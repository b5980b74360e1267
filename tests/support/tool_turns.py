"""Two turns with a tool in the first: whatever it does, both end well and all of it can be sent."""

import json
from typing import Any

from langchain_core.messages import ToolMessage
from langchain_core.runnables import RunnableConfig
from open_voice import OpenVoice

from voicegraph.graph import build_graph, stream_turn
from voicegraph.nodes import TurnFinished
from voicegraph.nodes.testing import ScriptedChatModel, ScriptedReply, calls

CALL: RunnableConfig = {"configurable": {"thread_id": "call-42", "user": "ada"}}


async def two_turns(open_voice: OpenVoice, reply: ScriptedReply, *tools: Any) -> tuple[list[Any], list[Any]]:
    """Run a turn with this reply and another after it; return the first one's events and window."""
    model = ScriptedChatModel([reply, "So it is.", "Still here."])
    async with open_voice(model, tools=tools) as resources:
        graph = build_graph(resources)
        events = [event async for event in stream_turn(graph, "Go.", CALL)]
        window = (await graph.aget_state(CALL)).values["messages"]
        next_events = [event async for event in stream_turn(graph, "And?", CALL)]
    assert isinstance(events[-1], TurnFinished)
    assert isinstance(next_events[-1], TurnFinished)
    json.dumps([message.model_dump() for message in window], ensure_ascii=False, default=str).encode()
    model.assert_done()
    return events, window


async def result_of(open_voice: OpenVoice, source: Any, **arguments: Any) -> ToolMessage:
    name = getattr(source, "name", None) or source.__name__
    _, window = await two_turns(open_voice, calls(name, **arguments), source)
    [result] = [message for message in window if isinstance(message, ToolMessage)]
    return result
