"""A thread id in a graph's configuration is one of the actor's there: others have their own of that name."""

import asyncio
from contextlib import aclosing
from typing import Any

import pytest
from calling import user_says
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from open_voice import OpenVoice

from voicegraph.graph import build_graph, checkpoints, fork, interrupt, last_turn, resume_turn, stream_turn
from voicegraph.graph.turns.run import is_running
from voicegraph.nodes import Speech
from voicegraph.nodes.testing import ScriptedChatModel, ScriptedReply, calls
from voicegraph.state import Actor
from voicegraph.state.errors import InvalidInput, NothingToResume, ThreadTaken


@pytest.fixture
def voice_url(each_url: str) -> str:
    """Run these tests on both databases."""
    return each_url


ADA, EVE, NOBODY = Actor("acme", "ada"), Actor("other", "eve"), Actor()
ACTORS = [ADA, EVE, NOBODY]


def call(actor: Actor, thread_id: str = "call-42", **more: str) -> Any:
    whose = {"organization": actor.organization_id, "user": actor.user_id}
    return {"configurable": {"thread_id": thread_id, **whose, **more}}


def told(actor: Actor) -> str:
    return f"I am {actor.user_id} of {actor.organization_id}."


def echo() -> ScriptedChatModel:
    return ScriptedChatModel(lambda messages: f"You said: {messages[-1].text}")


async def words_of(graph: Any, config: Any) -> list[str]:
    return [message.text for message in (await graph.aget_state(config)).values.get("messages", ())]


async def test_three_actors_talk_on_threads_of_one_id(open_voice: OpenVoice) -> None:
    model = echo()
    async with open_voice(model) as resources:
        graph = build_graph(resources)
        await asyncio.gather(*(graph.ainvoke(user_says(told(actor)), call(actor)) for actor in ACTORS))
    async with open_voice(model) as resources:  # As after a restart.
        graph = build_graph(resources)
        for actor in ACTORS:
            await graph.ainvoke(user_says("Who am I?"), call(actor))
            said = " ".join(message.text for message in model.requests[-1].messages)
            assert [other for other in ACTORS if told(other) in said] == [actor]
            record = await resources.store.messages.history(actor, "call-42")
            assert [message.text for message in record][::2] == [told(actor), "Who am I?"]
            assert {message.thread_id for message in record} == {"call-42"}


async def test_what_langgraph_hands_back_shows_the_name_and_means_the_same_thread(
    open_voice: OpenVoice,
) -> None:
    async with open_voice(echo()) as resources:
        graph = build_graph(resources)
        for actor in ACTORS:
            await graph.ainvoke(user_says(told(actor)), call(actor))
        for actor in ACTORS:
            state = await graph.aget_state(call(actor))
            history = [each async for each in graph.aget_state_history(call(actor))]
            changed = await graph.aupdate_state(call(actor), None, as_node="persist_and_trim")
            configs = [state.config, changed, *(each.config for each in history)]
            configs += [each.parent_config for each in history if each.parent_config]
            assert {config.get("configurable", {})["thread_id"] for config in configs} == {"call-42"}
            for config in (state.config, changed):
                assert (await words_of(graph, config))[0] == told(actor)
            await graph.ainvoke(user_says("Go on."), changed)
            assert (await words_of(graph, call(actor)))[0::2] == [told(actor), "Go on."]


async def test_parts_of_a_stream_and_tools_are_given_the_name(open_voice: OpenVoice) -> None:
    given: list[str] = []

    @tool
    def note(config: RunnableConfig) -> str:
        """Note the thread."""
        given.append(config["configurable"]["thread_id"])  # pyright: ignore[reportTypedDictNotRequiredAccess]
        return "done"

    model = ScriptedChatModel([calls("note", "One moment."), "Done."])
    async with open_voice(model, tools=[note]) as resources:
        graph, parts = build_graph(resources), list[Any]()
        modes = ["messages", "debug", "checkpoints", "custom", "updates"]
        async for part in graph.astream(user_says("Note it."), call(ADA), stream_mode=modes):
            parts.append(part)
    assert given == ["call-42"]
    assert "\\x1f" not in repr(parts)
    assert "'thread_id': 'call-42'" in repr(parts)


async def test_an_actor_of_the_context_has_the_thread(open_voice: OpenVoice) -> None:
    async with open_voice(echo()) as resources:
        graph = build_graph(resources)
        context = {"organization": "acme", "user": "ada"}
        config: Any = {"configurable": {"thread_id": "call-42"}}
        await graph.ainvoke(user_says(told(ADA)), config, context=context)
        await graph.ainvoke(user_says("And?"), config, context=context)
        assert len(await words_of(graph, call(ADA))) == 4
        assert await words_of(graph, config) == []


async def test_an_interrupt_ends_the_turn_of_its_actor_alone(open_voice: OpenVoice) -> None:
    gate = asyncio.Event()
    model = ScriptedChatModel(lambda _: ScriptedReply(text="One two three.", hold=gate, hold_after=1))
    async with open_voice(model) as resources:
        graph = build_graph(resources)

        async def first_word(actor: Actor) -> Any:
            stream = stream_turn(graph, "Count.", call(actor))
            async for event in stream:
                if isinstance(event, Speech):
                    return stream
            raise AssertionError("nothing was said")

        async with aclosing(await first_word(ADA)), aclosing(await first_word(EVE)) as hers:
            assert await interrupt(graph, "call-42", actor=ADA)
            assert not await is_running(graph, "call-42", actor=ADA)
            assert await is_running(graph, "call-42", actor=EVE)
            assert not await interrupt(graph, "call-42")
            gate.set()
            assert "".join([event.content async for event in hers if isinstance(event, Speech)]).strip()
        assert (await words_of(graph, call(EVE)))[-1] == "One two three."
        assert (await words_of(graph, call(ADA)))[-1] != "One two three."


async def test_a_reply_is_cut_on_the_thread_of_its_actor_alone(open_voice: OpenVoice) -> None:
    async with open_voice(ScriptedChatModel(lambda _: "One two three.")) as resources:
        graph = build_graph(resources)
        for actor in ACTORS:
            await graph.ainvoke(user_says("Count."), call(actor))
        await interrupt(graph, "call-42", heard="One", actor=EVE)
        ends = [(await words_of(graph, call(actor)))[-1] for actor in ACTORS]
        assert ends == ["One two three.", "One", "One two three."]
        stored = await resources.store.messages.history(EVE, "call-42")
        assert [message.text for message in stored] == ["Count.", "One"]


async def test_a_fork_has_an_id_that_another_actor_has_too(open_voice: OpenVoice) -> None:
    async with open_voice(echo()) as resources:
        graph = build_graph(resources)
        await graph.ainvoke(user_says(told(EVE)), call(EVE, "again"))
        await graph.ainvoke(user_says(told(ADA)), call(ADA))
        head = (await checkpoints(graph, "call-42", actor=ADA))[0].id
        made = await fork(graph, "call-42", head, "again", actor=ADA)
        assert made.thread_id == "again"
        await graph.ainvoke(user_says("Go on."), made.config)
        assert (await words_of(graph, call(ADA, "again")))[0::2] == [told(ADA), "Go on."]
        assert await words_of(graph, call(ADA)) == [told(ADA), f"You said: {told(ADA)}"]
        assert (await words_of(graph, call(EVE, "again")))[0] == told(EVE)
        assert (await last_turn(graph, "again", actor=ADA)).steps


async def test_a_turn_runs_on_the_longest_ids(open_voice: OpenVoice) -> None:
    longest = "".join(chr(0x20000 + place * place % 997) for place in range(200))
    config = call(Actor(longest, longest[::-1]), longest)
    async with open_voice(echo()) as resources:
        graph = build_graph(resources)
        for words in ("Hello.", "Go on."):
            await graph.ainvoke(user_says(words), config)
        assert (await words_of(graph, config))[0::2] == ["Hello.", "Go on."]


async def test_nothing_is_resumed_on_the_thread_of_another_actor(open_voice: OpenVoice) -> None:
    async with open_voice(echo()) as resources:
        graph = build_graph(resources)
        await graph.ainvoke(user_says(told(ADA)), call(ADA))
        with pytest.raises(NothingToResume, match="thread 'call-42' has nothing"):
            async for _ in resume_turn(graph, call(EVE)):
                pass


async def test_another_agent_of_the_actor_is_refused_by_the_name(open_voice: OpenVoice) -> None:
    async with open_voice(echo()) as resources:
        graph = build_graph(resources)
        await resources.store.actors.ensure(ADA)
        await resources.store.agents.create(ADA, "nina")
        await graph.ainvoke(user_says(told(ADA)), call(ADA))
        with pytest.raises(ThreadTaken, match="the thread id 'call-42' is taken"):
            await graph.ainvoke(user_says("Hi."), call(ADA, agent="nina"))


async def test_the_key_of_another_actor_s_thread_is_no_thread_id(open_voice: OpenVoice) -> None:
    async with open_voice(echo()) as resources:
        graph = build_graph(resources)
        await graph.ainvoke(user_says(told(ADA)), call(ADA))
        for actor in (NOBODY, EVE):
            with pytest.raises(InvalidInput):
                await graph.ainvoke(user_says("Hi."), call(actor, "acme\x1fada\x1fcall-42"))
        assert len(await words_of(graph, call(ADA))) == 2
