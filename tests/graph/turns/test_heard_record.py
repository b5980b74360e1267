"""All that was heard is in the record: announcements of broken calls, fillers, apologies."""

import asyncio
from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig
from open_voice import OpenVoice
from patience import PATIENCE

from voicegraph.graph import Resources, build_graph, checkpoints, fork, interrupt, stream_turn
from voicegraph.nodes import Speech, voice_tool
from voicegraph.nodes.testing import ScriptedCall, ScriptedChatModel, ScriptedReply, calls
from voicegraph.nodes.turn.limits import TurnLimits
from voicegraph.state import Actor
from voicegraph.state.errors import ModelRefused
from voicegraph.state.upkeep.export_memory import export_memory
from voicegraph.state.upkeep.importing.import_memory import import_memory
from voicegraph.state.upkeep.memory_file import read_memory_file

CALL: RunnableConfig = {"configurable": {"thread_id": "call-42", "user": "ada"}}
ADA = Actor("default", "ada")
FILLER, APOLOGY = TurnLimits().filler, TurnLimits().apology


@pytest.fixture
def voice_url(each_url: str) -> str:
    """Run these tests on both databases."""
    return each_url


@voice_tool()
async def look() -> str:
    """Look something up."""
    return "nothing"


def calling(arguments: str) -> ScriptedReply:
    return ScriptedReply(calls=[ScriptedCall(name="look", arguments=arguments)])


async def heard(resources: Resources, words: str = "Hi") -> str:
    events = [event async for event in stream_turn(build_graph(resources), words, CALL)]
    return "".join(event.content for event in events if isinstance(event, Speech))


async def recorded(resources: Resources) -> list[str]:
    """Return what the record holds as heard of each reply."""
    stored = await resources.store.messages.history(ADA, "call-42")
    replies = [message for message in stored if message.role == "assistant"]
    return [message.heard for message in replies]


@pytest.mark.parametrize(
    ("arguments", "announced"),
    [
        ('{"pre_exec_msg": "I look it up.", "x": "never end', "I look it up."),
        ('{"pre_exec_msg": "I look it up.", "x": nothing}', "I look it up."),
        ('{"pre_exec_msg": "First words.", "pre_exec_msg": "Second words."}', "First words."),
        ('{"pre_exec_msg": "I look it up."}', "I look it up."),
    ],
    ids=["cut off", "no JSON", "announced twice", "whole"],
)
async def test_what_a_call_was_announced_with_is_in_the_record(
    open_voice: OpenVoice, arguments: str, announced: str
) -> None:
    model = ScriptedChatModel([calling(arguments), "There is nothing."])
    async with open_voice(model, tools=[look]) as resources:
        assert await heard(resources) == f"{announced} There is nothing."
        assert await recorded(resources) == [announced, "There is nothing."]


async def test_a_filler_while_a_tool_runs_is_in_the_record(open_voice: OpenVoice) -> None:
    filled = asyncio.Event()

    @voice_tool()
    async def wait() -> str:
        """Wait."""
        async with asyncio.timeout(PATIENCE):
            await filled.wait()
        return "done"

    model = ScriptedChatModel([calls("wait", "I wait."), "It is done."])
    async with open_voice(model, tools=[wait], filler_after=0.01) as resources:
        said = ""
        async for event in stream_turn(build_graph(resources), "Go.", CALL):
            said += event.content if isinstance(event, Speech) else ""
            if said.count(FILLER) and "I wait." in said:
                filled.set()
        assert " ".join(await recorded(resources)) == said


async def test_a_filler_that_was_all_that_the_caller_heard_is_in_the_record(open_voice: OpenVoice) -> None:
    held = ScriptedReply(text="Never said.", hold=asyncio.Event())
    async with open_voice(ScriptedChatModel([held, "Yes."]), filler_after=0.01) as resources:
        graph = build_graph(resources)
        stopping: list[asyncio.Task[Any]] = []
        async for event in stream_turn(graph, "Go.", CALL):
            if isinstance(event, Speech):
                stopping.append(asyncio.create_task(interrupt(graph, "call-42", actor=ADA)))
        await asyncio.gather(*stopping)
        assert await recorded(resources) == [FILLER]


async def test_a_turn_that_the_provider_refused_is_in_the_record(open_voice: OpenVoice) -> None:
    async with open_voice(ScriptedChatModel([ModelRefused("no")])) as resources:
        assert await heard(resources) == APOLOGY
        stored = await resources.store.messages.history(ADA, "call-42")
    assert [(message.role, message.text) for message in stored] == [("user", "Hi"), ("assistant", APOLOGY)]


async def test_what_was_heard_is_found_and_shown_by_a_search(open_voice: OpenVoice) -> None:
    arguments = '{"pre_exec_msg": "Looking for violets.", "pre_exec_msg": "Tulips."}'
    model = ScriptedChatModel([calling(arguments), "There are none."])
    async with open_voice(model, tools=[look]) as resources:
        await heard(resources)
        store = resources.store
        agent = await store.agents.get(ADA, "default")
        await store.recall.index_due(agent.id)
        orders: list[Any] = ["best", "newest"]
        for order in orders:
            found = await store.recall.search(ADA, agent.id, "violets", order=order)
            assert "Looking for violets." in [hit.message.text for hit in found.hits]
        assert not (await store.recall.search(ADA, agent.id, "tulips")).hits


async def test_what_was_heard_goes_along_with_an_export(open_voice: OpenVoice) -> None:
    model = ScriptedChatModel([calling('{"pre_exec_msg": "I look."}'), "Nothing."])
    async with open_voice(model, tools=[look]) as resources:
        await heard(resources)
        file = read_memory_file((await export_memory(resources.store, ADA)).to_json())
        eve = Actor("default", "eve")
        await import_memory(resources.store, eve, file)
        [thread] = await resources.store.threads.list(eve)
        stored = await resources.store.messages.history(eve, thread.id)
    assert [message.spoken for message in stored if message.role == "assistant"] == ["I look.", None]


async def test_a_fork_has_what_was_heard(open_voice: OpenVoice) -> None:
    model = ScriptedChatModel([calling('{"pre_exec_msg": "I look."}'), "Nothing."])
    async with open_voice(model, tools=[look]) as resources:
        await heard(resources)
        graph = build_graph(resources)
        [newest, *_] = await checkpoints(graph, "call-42", actor=ADA)
        new = await fork(graph, "call-42", newest.id, actor=ADA)
        stored = await resources.store.messages.history(ADA, new.thread_id)
    assert [message.heard for message in stored if message.role == "assistant"] == ["I look.", "Nothing."]


async def test_memory_keeps_what_was_heard(open_voice: OpenVoice) -> None:
    announced = calling('{"pre_exec_msg": "Your violets are sold out."}')
    model = ScriptedChatModel([announced, "", *["I see."] * 4])
    small = {"message_buffer_limit": 6, "message_buffer_min": 2, "consolidate_after": 0}
    async with open_voice(model, tools=[look], memory_model="memory", **small) as resources:
        for _ in range(5):
            await heard(resources)
        memory = ScriptedChatModel([calls("finish")])
        resources.models.add("memory", memory)
        agent = await resources.store.agents.get(ADA, "default")
        await resources.consolidator.consolidate(ADA, agent.id)
    assert "Assistant: Your violets are sold out." in memory.requests[0].messages[1].text
