"""Two processes consolidate one agent, and one of them dies: nothing is kept twice, nothing is lost."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from calling import user_says
from forked_python import ForkedPython
from hold import Hold
from open_voice import OpenVoice

from voicegraph.graph import Resources, build_graph
from voicegraph.graph.background.consolidate import Consolidator
from voicegraph.nodes.testing import ScriptedCall, ScriptedChatModel, ScriptedReply
from voicegraph.state import Actor
from voicegraph.state.open import open_locks

SMALL: dict[str, Any] = {"message_buffer_limit": 6, "message_buffer_min": 2, "consolidate_after": 3600}
KEEP = ScriptedReply(
    calls=[
        ScriptedCall(
            name="store_memories", arguments='{"chunks": [{"text": "Ada has a cat.", "context": "Told."}]}'
        ),
        ScriptedCall(name="finish", arguments="{}"),
    ]
)


@pytest.fixture
def voice_url(each_url: str) -> str:
    """Run these tests on both databases."""
    return each_url


@contextmanager
def another_process(url: str) -> Iterator[ForkedPython]:
    """Start a process that consolidates and never ends; give it once it has asked its model."""
    tests = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tests), str(tests / "support")])}
    with ForkedPython(["-m", "sweeps.consolidating_process", url], env=environment) as process:
        assert process.stdout.readline() == "thinking\n"
        yield process


async def agent_with_due_messages(resources: Resources) -> str:
    graph = build_graph(resources)
    for number in range(5):
        call: Any = {"configurable": {"thread_id": "call-42"}}
        await graph.ainvoke(user_says(f"Turn {number}."), call)
    return (await resources.store.agents.get(Actor(), "default")).id


def consolidator(resources: Resources, model: ScriptedChatModel) -> Consolidator:
    resources.models.add("memory", model)
    return resources.consolidator


async def kept(resources: Resources, agent_id: str) -> list[str]:
    return [passage.text for passage in await resources.store.passages.list(Actor(), agent_id)]


async def test_what_a_killed_process_had_begun_is_done_once(open_voice: OpenVoice, voice_url: str) -> None:
    async with open_voice(ScriptedChatModel(lambda _: "I see."), memory_model="memory", **SMALL) as resources:
        agent_id = await agent_with_due_messages(resources)
        memory = consolidator(resources, ScriptedChatModel([KEEP]))
        with another_process(voice_url) as process:
            work = asyncio.create_task(memory.consolidate(Actor(), agent_id))
            await asyncio.to_thread(process.kill)
            assert await work > 0
        assert await kept(resources, agent_id) == ["Ada has a cat."]
        assert await resources.store.due.of_agent(Actor(), agent_id) == ()


async def test_no_second_process_asks_its_model_meanwhile(open_voice: OpenVoice, voice_url: str) -> None:
    async with open_voice(ScriptedChatModel(lambda _: "I see."), **SMALL) as resources:
        agent_id = await agent_with_due_messages(resources)
        async with open_locks(resources.store.database.location) as locks:
            with another_process(voice_url):
                free = await locks.lock("consolidation", agent_id)
    assert free == voice_url.startswith("sqlite")  # Whose second process may ask, in vain.


async def test_of_two_that_thought_of_the_same_messages_one_counts(open_voice: OpenVoice) -> None:
    async with open_voice(ScriptedChatModel(lambda _: "I see."), memory_model="memory", **SMALL) as resources:
        agent_id = await agent_with_due_messages(resources)
        hold = Hold()
        slow = ScriptedChatModel([ScriptedReply(calls=KEEP.calls, hold=hold)])
        memory = consolidator(resources, slow)
        first = asyncio.create_task(memory.consolidate(Actor(), agent_id))
        await hold.reached.wait()
        resources.models.add("memory", ScriptedChatModel([KEEP]))
        assert await memory.consolidate(Actor(), agent_id) > 0
        hold.set()
        assert await first == 0
        assert await kept(resources, agent_id) == ["Ada has a cat."]
