"""The tool `recall_memory`: what was said long ago is found, kept and in the next prompt."""

import asyncio
from typing import Any

import pytest
from calling import user_says
from langchain_core.messages import ToolMessage
from open_voice import OpenVoice

from voicegraph.graph import build_graph, stream_turn
from voicegraph.nodes import Speech
from voicegraph.nodes.testing import ScriptedChatModel, ScriptedReply, calls
from voicegraph.state import Actor
from voicegraph.state.errors import ModelUnavailable


@pytest.fixture
def voice_url(each_url: str) -> str:
    """Run these tests on both databases."""
    return each_url


EARLIER: Any = {"configurable": {"thread_id": "call-1"}}
NOW: Any = {"configurable": {"thread_id": "call-2"}}
RECALL = calls("recall_memory", "Let me think back.", query="cat")
OLD = "My cat is called Momo."


async def recalled(open_voice: OpenVoice, memory: ScriptedChatModel, **settings: Any) -> Any:
    """Speak of a cat in one call and ask for it in another; return result, requests and the block."""
    model = ScriptedChatModel(["What a nice name.", RECALL, "Your cat is called Momo."])
    async with open_voice(model, memory_model="memory", **settings) as resources:
        resources.models.add("memory", memory)
        graph = build_graph(resources)
        await graph.ainvoke(user_says(OLD), EARLIER)
        await resources.store.recall.index_due()
        result = await graph.ainvoke(user_says("What is my cat called?"), NOW)
        agent = await resources.store.agents.get(Actor(), "default")
        blocks = {b.label: b for b in await resources.store.blocks.of_agent(Actor(), agent.id)}
        history = await resources.store.blocks.history(Actor(), blocks["human"].id)
    told = next(message.text for message in result["messages"] if isinstance(message, ToolMessage))
    return told, model.requests, blocks["human"].value, history


async def test_the_memory_model_rewrites_the_block_and_the_next_call_sees_it(open_voice: OpenVoice) -> None:
    memory = ScriptedChatModel(["The user has a cat called Momo."])
    told, requests, block, history = await recalled(open_voice, memory)
    assert OLD in memory.requests[0].messages[1].text
    assert block == "The user has a cat called Momo."
    assert block in requests[2].messages[0].text
    assert "Momo" in told
    assert [version.changed_by for version in history][-1] == "memory"


async def test_in_search_mode_the_hits_are_the_result_and_no_second_model_is_asked(
    open_voice: OpenVoice,
) -> None:
    memory = ScriptedChatModel([])
    told, _, block, _ = await recalled(open_voice, memory, recall_mode="search")
    assert OLD in told
    assert "What a nice name." in told
    assert memory.requests == []
    assert "Momo" not in block


@pytest.mark.parametrize("failure", [ModelUnavailable("down"), ScriptedReply(text="x", hold=asyncio.Event())])
async def test_a_memory_model_that_fails_or_is_late_leaves_the_hits(
    open_voice: OpenVoice, failure: Any
) -> None:
    told, _, block, _ = await recalled(open_voice, ScriptedChatModel([failure]), memory_deadline=0.1)
    assert OLD in told
    assert "Momo" not in block


async def test_nothing_of_the_memory_model_is_heard_or_streamed(open_voice: OpenVoice) -> None:
    model = ScriptedChatModel(["Nice.", RECALL, "Momo."])
    memory = ScriptedChatModel(["The user has a cat called Momo."])
    async with open_voice(model, memory_model="memory") as resources:
        resources.models.add("memory", memory)
        graph = build_graph(resources)
        await graph.ainvoke(user_says(OLD), EARLIER)
        await resources.store.recall.index_due()
        turn = user_says("My cat?")
        parts = [part async for part in graph.astream(turn, NOW, stream_mode=["messages", "custom"])]
    heard = "".join(part[0].text for mode, part in parts if mode == "messages")
    assert heard == "Let me think back. Momo."


async def test_three_recalls_about_other_things_do_not_forget_the_name(open_voice: OpenVoice) -> None:
    news = ["The user likes tea.", "The user went to Rome.", "The user plays chess."]
    model = ScriptedChatModel(["Good to know.", *[item for _ in news for item in (RECALL, "I see.")]])
    async with open_voice(model, memory_model="memory") as resources:
        resources.models.add("memory", ScriptedChatModel(news))
        graph = build_graph(resources)
        await graph.ainvoke(user_says(OLD), EARLIER)
        await resources.store.recall.index_due()
        agent = await resources.store.agents.get(Actor(), "default")
        block = next(
            b for b in await resources.store.blocks.of_agent(Actor(), agent.id) if b.label == "human"
        )
        await resources.store.blocks.write(Actor(), block.id, "The caller is called Ada.")
        for number in range(3):
            await graph.ainvoke(user_says(f"Question {number}."), NOW)
        value = (await resources.store.blocks.get(Actor(), block.id)).value
    assert value.splitlines()[0] == "The caller is called Ada."
    assert all(fact in value for fact in news)


async def test_messages_are_indexed_behind_the_turn(open_voice: OpenVoice) -> None:
    async with open_voice(ScriptedChatModel(["Nice."])) as resources:
        async for event in stream_turn(build_graph(resources), OLD, EARLIER):
            assert isinstance(event, Speech) or event.type == "turn_finished"
        agent = await resources.store.agents.get(Actor(), "default")
        while not (await resources.store.recall.search(Actor(), agent.id, "cat")).hits:
            await asyncio.sleep(0)
