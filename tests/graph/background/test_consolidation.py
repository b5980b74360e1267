"""Work on memory while nobody speaks: what left the window is kept, once, whatever fails."""

import asyncio
from typing import Any

import pytest
from calling import CALL, user_says
from hold import Hold
from open_voice import OpenVoice

from voicegraph.graph import Resources, build_graph, stream_turn
from voicegraph.graph.background.consolidate import Consolidator
from voicegraph.nodes.testing import ScriptedCall, ScriptedChatModel, ScriptedReply, calls
from voicegraph.state import Actor
from voicegraph.state.conversations.due_messages import agents_with_due_messages
from voicegraph.state.errors import ContentFiltered, ModelUnavailable


@pytest.fixture
def voice_url(each_url: str) -> str:
    """Run these tests on both databases."""
    return each_url


SMALL: dict[str, Any] = {
    "message_buffer_limit": 6,
    "message_buffer_min": 2,
    "memory_model": "memory",
    "consolidate_after": 0,
}

KEEP = ScriptedReply(
    calls=[
        ScriptedCall(
            name="store_memories",
            arguments='{"chunks": [{"text": "Ada has a cat called Momo.", "context": "Told in a call."}]}',
        ),
        ScriptedCall(
            name="rethink_memory", arguments='{"label": "human", "value": "The user is called Ada."}'
        ),
        ScriptedCall(name="finish", arguments="{}"),
    ]
)


async def talk(resources: Resources, turns: int) -> str:
    """Speak so many turns, most of which leave the small window; return the agent's id."""
    graph = build_graph(resources)
    for number in range(turns):
        await graph.ainvoke(user_says(f"Turn {number}."), CALL)
    return (await resources.store.agents.get(Actor(), "default")).id


def voice() -> ScriptedChatModel:
    return ScriptedChatModel(lambda _: "I see.")


def memory(resources: Resources, model: ScriptedChatModel) -> Consolidator:
    """Give the memory model, for want of which nothing was consolidated so far."""
    resources.models.add("memory", model)
    return resources.consolidator


async def human(resources: Resources, agent_id: str) -> str:
    blocks = await resources.store.blocks.of_agent(Actor(), agent_id)
    return next(block.value for block in blocks if block.label == "human")


async def test_what_was_evicted_becomes_passages_and_a_block(open_voice: OpenVoice) -> None:
    async with open_voice(voice(), **SMALL) as resources:
        agent_id = await talk(resources, 5)
        model = ScriptedChatModel([KEEP])
        done = await memory(resources, model).consolidate(Actor(), agent_id)
        passages = await resources.store.passages.list(Actor(), agent_id)
        assert done > 0
        assert [(p.text, p.context) for p in passages] == [("Ada has a cat called Momo.", "Told in a call.")]
        assert await human(resources, agent_id) == "The user is called Ada."
        assert "Turn 0." in model.requests[0].messages[1].text


async def test_messages_that_the_memory_model_refuses_hold_up_no_later_ones(open_voice: OpenVoice) -> None:
    async with open_voice(voice(), **SMALL) as resources:
        agent_id = await talk(resources, 5)
        refused = memory(resources, ScriptedChatModel([ContentFiltered("no")]))
        assert await refused.consolidate(Actor(), agent_id) > 0
        await talk(resources, 5)
        await memory(resources, ScriptedChatModel([KEEP])).consolidate(Actor(), agent_id)
        passages = await resources.store.passages.list(Actor(), agent_id)
        said = await resources.store.messages.history(Actor(), "call-42")
    assert [passage.text for passage in passages] == ["Ada has a cat called Momo."]
    assert len(said) == 20


async def test_nothing_is_consolidated_twice(open_voice: OpenVoice) -> None:
    async with open_voice(voice(), **SMALL) as resources:
        agent_id = await talk(resources, 5)
        consolidator = memory(resources, ScriptedChatModel([KEEP]))
        await consolidator.consolidate(Actor(), agent_id)
        assert await consolidator.consolidate(Actor(), agent_id) == 0
        assert await agents_with_due_messages(resources.store.database) == ()


async def test_a_failing_model_leaves_it_due(open_voice: OpenVoice) -> None:
    async with open_voice(voice(), **SMALL) as resources:
        agent_id = await talk(resources, 5)
        consolidator = memory(resources, ScriptedChatModel([ModelUnavailable("down"), KEEP]))
        with pytest.raises(ModelUnavailable):
            await consolidator.consolidate(Actor(), agent_id)
        assert [agent for _, agent in await agents_with_due_messages(resources.store.database)] == [agent_id]
        assert await consolidator.consolidate(Actor(), agent_id) > 0


async def test_the_next_process_goes_on_with_what_is_due(open_voice: OpenVoice) -> None:
    async with open_voice(voice(), **SMALL) as resources:
        agent_id = await talk(resources, 5)
    async with open_voice(voice(), **SMALL) as resources:
        consolidator = memory(resources, ScriptedChatModel([KEEP]))
        await consolidator.wake_all()
        while await resources.store.due.of_agent(Actor(), agent_id):
            await asyncio.sleep(0)
        await consolidator.close()
        assert await human(resources, agent_id) == "The user is called Ada."


async def test_only_one_consolidation_runs_for_an_agent(open_voice: OpenVoice) -> None:
    hold = Hold()
    async with open_voice(voice(), **SMALL) as resources:
        agent_id = await talk(resources, 5)
        model = ScriptedChatModel([ScriptedReply(calls=KEEP.calls, hold=hold)])
        consolidator = memory(resources, model)
        for _ in range(3):
            consolidator.wake(Actor(), agent_id)
        await hold.reached.wait()
        hold.set()
        while await resources.store.due.of_agent(Actor(), agent_id):
            await asyncio.sleep(0)
        await consolidator.close()
    assert len(model.requests) == 1


async def test_a_model_that_only_talks_ends_it(open_voice: OpenVoice) -> None:
    async with open_voice(voice(), **SMALL) as resources:
        agent_id = await talk(resources, 5)
        assert await memory(resources, ScriptedChatModel(["Nothing."])).consolidate(Actor(), agent_id) > 0


async def test_wrong_calls_of_the_memory_model_are_told_to_it(open_voice: OpenVoice) -> None:
    wrong = calls("rethink_memory", label="unknown", value="x")
    async with open_voice(voice(), **SMALL) as resources:
        agent_id = await talk(resources, 5)
        model = ScriptedChatModel([wrong, KEEP])
        await memory(resources, model).consolidate(Actor(), agent_id)
    assert "no block 'unknown'" in model.requests[1].messages[-1].text


async def test_a_turn_speaks_and_is_stored_while_the_memory_model_is_still_in_its_call(
    open_voice: OpenVoice,
) -> None:
    hold = Hold()
    model = ScriptedChatModel([ScriptedReply(calls=KEEP.calls, hold=hold)])
    async with open_voice(voice(), **SMALL) as resources:
        memory(resources, model)
        agent_id = await talk(resources, 5)
        await hold.reached.wait()
        events = [event async for event in stream_turn(build_graph(resources), "Hello?", CALL)]
        assert "".join(event.content for event in events if event.type == "speech") == "I see."
        history = await resources.store.messages.history(Actor(), "call-42")
        while history[-2].text != "Hello?":
            await asyncio.sleep(0)
            history = await resources.store.messages.history(Actor(), "call-42")
        assert (len(model.requests), len(await resources.store.due.of_agent(Actor(), agent_id)) > 0) == (
            1,
            True,
        )


@pytest.mark.parametrize("value", ["a\0b", None, 7])
async def test_a_text_that_no_block_takes_does_not_stop_consolidation(
    open_voice: OpenVoice, value: Any
) -> None:
    wrong = calls("rethink_memory", label="human", value=value)
    async with open_voice(voice(), **SMALL) as resources:
        agent_id = await talk(resources, 5)
        await memory(resources, ScriptedChatModel([wrong, KEEP])).consolidate(Actor(), agent_id)
        assert await human(resources, agent_id) == "The user is called Ada."
