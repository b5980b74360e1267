"""Requests for a thread whose owner is still being looked up."""

import asyncio
from typing import Any

import pytest
from calling import user_says
from open_voice import OpenVoice

from voicegraph.graph import Resources, build_graph
from voicegraph.nodes.testing import ScriptedChatModel
from voicegraph.state import Actor
from voicegraph.state.errors import ThreadTaken


@pytest.fixture
def voice_url(each_url: str) -> str:
    """Run these tests on both databases."""
    return each_url


def of(agent: str) -> Any:
    return {"configurable": {"thread_id": "call-42", "agent": agent}}


async def make_agents(resources: Resources, *names: str) -> None:
    await resources.store.actors.ensure(Actor())
    for name in names:
        await resources.store.agents.create(Actor(), name)


async def test_another_agent_does_not_stop_a_turn_whose_owner_is_still_looked_up(
    open_voice: OpenVoice,
) -> None:
    async with open_voice(ScriptedChatModel(["Hello Ada."])) as resources:
        await make_agents(resources, "nina", "omar")
        graph = build_graph(resources)
        answered, refused = await asyncio.gather(
            graph.ainvoke(user_says("I'm Ada."), of("nina")),
            graph.ainvoke(user_says("I'm Eve."), of("omar")),
            return_exceptions=True,
        )
        assert isinstance(answered, dict) and answered["turn"]["outcome"] == "finished"
        assert [message.text for message in answered["messages"]] == ["I'm Ada.", "Hello Ada."]
        assert isinstance(refused, ThreadTaken)


async def test_many_other_agents_at_once_do_not_stop_it_either(open_voice: OpenVoice) -> None:
    async with open_voice(ScriptedChatModel(["Hello Ada."])) as resources:
        others = [f"omar-{number}" for number in range(5)]
        await make_agents(resources, "nina", *others)
        graph = build_graph(resources)
        run = await graph.begin_turn(user_says("I'm Ada."), of("nina"), stream_mode="values")
        turns = [graph.ainvoke(user_says("Hi."), of(other)) for other in others]
        refused = await asyncio.gather(*turns, return_exceptions=True)
        last = [part async for part in run.listen()][-1]
        assert {type(error) for error in refused} == {ThreadTaken}
        assert last["turn"]["outcome"] == "finished"


async def test_users_who_begin_at_once_on_one_id_do_not_wait_for_each_other(open_voice: OpenVoice) -> None:
    async with open_voice(ScriptedChatModel(lambda messages: f"Hello {messages[-1].text}")) as resources:
        graph = build_graph(resources)
        users = [f"user-{number}" for number in range(5)]
        calls: list[Any] = [{"configurable": {"thread_id": "call-42", "user": user}} for user in users]
        turns = [graph.ainvoke(user_says(user), call) for user, call in zip(users, calls, strict=True)]
        for user, answered in zip(users, await asyncio.gather(*turns), strict=True):
            assert [message.text for message in answered["messages"]] == [user, f"Hello {user}"]


async def test_when_the_first_request_fails_the_next_agent_has_the_thread(open_voice: OpenVoice) -> None:
    async with open_voice(ScriptedChatModel(["Hello Eve."])) as resources:
        await make_agents(resources, "omar")
        graph = build_graph(resources)
        _, answered = await asyncio.gather(
            graph.ainvoke(user_says("Hi."), of("nobody")),
            graph.ainvoke(user_says("Hi."), of("omar")),
            return_exceptions=True,
        )
        assert isinstance(answered, dict) and answered["turn"]["outcome"] == "finished"


async def test_of_several_first_requests_of_the_owner_the_newest_wins(open_voice: OpenVoice) -> None:
    async with open_voice(ScriptedChatModel(["Third."])) as resources:
        graph = build_graph(resources)
        results: list[Any] = await asyncio.gather(
            *(graph.ainvoke(user_says(f"{number}."), of("default")) for number in range(3))
        )
        assert [result["turn"]["outcome"] for result in results] == ["interrupted", "interrupted", "finished"]
        assert results[2]["messages"][-1].text == "Third."
