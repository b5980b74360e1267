"""The turn that is swept: text, preambles, two tools, one with side effects; what must hold after it."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage, convert_to_openai_messages
from openai_server import validate_messages

from voicegraph.graph import Resources, TurnGraph
from voicegraph.nodes import current_call, voice_tool
from voicegraph.nodes.testing import ScriptedCall, ScriptedReply
from voicegraph.state import Actor

PACE = 0.01
"""Seconds between two tokens; the turn takes about a second."""

WITH_TOOLS = ScriptedReply(
    text="Gladly, I will see to both of it.",
    calls=[
        ScriptedCall(name="book", arguments=json.dumps({"pre_exec_msg": "I book the table.", "guests": 4})),
        ScriptedCall(name="look_up", arguments=json.dumps({"pre_exec_msg": "I look it up.", "word": "ivy"})),
    ],
    token_seconds=PACE,
    fragment=6,
)
AT_THE_END = ScriptedReply(
    text="The table is booked, and ivy was found in the book of plants.", token_seconds=PACE
)


def reply_by_need(messages: list[BaseMessage]) -> ScriptedReply:
    """Call the tools after the user's words, and tell of them after their results."""
    last = [message for message in messages if not isinstance(message, SystemMessage)][-1]
    if not isinstance(last, HumanMessage):
        return AT_THE_END
    return WITH_TOOLS if last.text.startswith("Both") else ScriptedReply(text="Here I am.")


def sweep_tools(ran: Callable[[str], None]) -> list[Any]:
    """Return the two tools; `ran` is told the call id of each run of the one with side effects."""

    @voice_tool(side_effects=True)
    async def book(guests: int) -> str:
        """Book a table."""
        ran(current_call().tool_call_id)
        await asyncio.sleep(0.1)
        return f"Booked for {guests}."

    async def look_up(word: str) -> str:
        """Look a word up."""
        await asyncio.sleep(0.05)
        return f"{word}: found."

    return [book, look_up]


async def check_thread(graph: TurnGraph, resources: Resources, thread_id: str, said: list[str]) -> None:
    """Assert that the thread is whole: all words of the user once, and a window that a provider accepts."""
    config: Any = {"configurable": {"thread_id": thread_id}}
    state = await graph.aget_state(config)
    assert state.next == ()
    window = state.values["messages"]
    assert validate_messages(convert_to_openai_messages(window)) == []
    stored = await resources.store.messages.history(Actor(), thread_id)
    assert [record.text for record in stored if record.role == "user"] == said, (
        [(record.role, record.text, record.id) for record in stored],
        window,
    )
    assert len({record.id for record in stored}) == len(stored)
    kept = {record.id for record in stored}
    assert all(message.id in kept for message in window)


def assert_no_double_runs(call_ids: list[str]) -> None:
    """Assert that no call ran its tool twice."""
    assert [call for call, runs in Counter(call_ids).items() if runs > 1] == []
