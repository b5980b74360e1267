"""A conversation of hundreds of turns: the window, the files and the record."""

from pathlib import Path
from typing import Any

from calling import CALL, user_says
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from open_voice import OpenVoice

from voicegraph.graph import build_graph
from voicegraph.nodes.testing import ScriptedChatModel, ScriptedReply, calls
from voicegraph.state import Actor


async def look_up(word: str) -> str:
    """Look a word up."""
    return f"{word}: found."


def every_third_with_a_tool(messages: list[BaseMessage]) -> ScriptedReply:
    """Call the tool in each third turn."""
    last = [message for message in messages if not isinstance(message, SystemMessage)][-1]
    if isinstance(last, HumanMessage) and int(last.text.split()[-1]) % 3 == 0:
        return calls("look_up", "Let me see.", word="ivy")
    return ScriptedReply(text="I see.")


async def test_a_hundred_turns_keep_the_window_small_and_every_message_once(open_voice: OpenVoice) -> None:
    limits = {"message_buffer_limit": 50, "message_buffer_min": 20}
    said = 0
    async with open_voice(ScriptedChatModel(every_third_with_a_tool), tools=[look_up], **limits) as resources:
        graph = build_graph(resources)
        for number in range(100):
            result = await graph.ainvoke(user_says(f"Turn {number}"), CALL)
            said += 4 if number % 3 == 0 else 2
            window = result["messages"]
            assert len(window) <= 50
            assert isinstance(window[0], HumanMessage)
        stored = await resources.store.messages.history(Actor(), "call-42")
    assert len(stored) == said
    assert len({record.id for record in stored}) == said
    assert [r.text for r in stored if r.role == "user"] == [f"Turn {number}" for number in range(100)]
    in_window = {message.id for message in window}
    assert all((record.evicted_at is None) == (record.id in in_window) for record in stored)


async def test_checkpoints_do_not_pile_up(open_voice: OpenVoice, tmp_path: Path) -> None:
    sizes: list[int] = []
    async with open_voice(
        ScriptedChatModel(every_third_with_a_tool),
        tools=[look_up],
        checkpoints_kept=6,
        message_buffer_limit=20,
        message_buffer_min=10,
    ) as resources:
        graph = build_graph(resources)
        checkpointer: Any = resources.checkpointer
        for number in range(90):
            await graph.ainvoke(user_says(f"Turn {number}"), CALL)
            if number in (44, 89):
                await checkpointer.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                sizes.append((tmp_path / "voice.checkpoints.db").stat().st_size)
        kept = [state async for state in graph.aget_state_history(CALL)]
        rows = await checkpointer.connection.execute("SELECT count(*) FROM writes")
    assert len(kept) == 6
    assert next(iter(rows))[0] < 60
    assert sizes[1] <= sizes[0] * 1.1


async def test_tool_runs_are_forgotten_once_their_results_are_stored(open_voice: OpenVoice) -> None:
    async with open_voice(ScriptedChatModel(every_third_with_a_tool), tools=[look_up]) as resources:
        graph = build_graph(resources)
        result = await graph.ainvoke(user_says("Turn 3"), CALL)
        reply = result["messages"][1]
        assert await resources.store.tool_runs.of_message(Actor(), "call-42", reply.id) == {}
