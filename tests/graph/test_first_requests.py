"""Requests for a thread whose owner is still being looked up."""

import asyncio
from typing import Any

import pytest

from voicegraph.graph import build_graph
from voicegraph.nodes.testing import ScriptedChatModel
from voicegraph.state.errors import ThreadTaken


@pytest.fixture
def voice_url(each_url: str) -> str:
    """Run these tests on both databases."""
    return each_url


def of(user: str) -> Any:
    return {"configurable": {"thread_id": "call-42", "user": user}}


def say(text: str) -> dict[str, Any]:
    return {"messages": [("user", text)]}


async def test_a_stranger_does_not_stop_a_turn_whose_owner_is_still_looked_up(open_voice: Any) -> None:
    async with open_voice(ScriptedChatModel(["Hello Ada."])) as resources:
        graph = build_graph(resources)
        answered, refused = await asyncio.gather(
            graph.ainvoke(say("I'm Ada."), of("ada")),
            graph.ainvoke(say("I'm Eve."), of("eve")),
            return_exceptions=True,
        )
        assert isinstance(answered, dict) and answered["turn"]["outcome"] == "finished"
        assert [message.text for message in answered["messages"]] == ["I'm Ada.", "Hello Ada."]
        assert isinstance(refused, ThreadTaken)


async def test_many_strangers_at_once_do_not_stop_it_either(open_voice: Any) -> None:
    async with open_voice(ScriptedChatModel(["Hello Ada."])) as resources:
        graph = build_graph(resources)
        run = await graph.begin_turn(say("I'm Ada."), of("ada"), stream_mode="values")
        strangers = [graph.ainvoke(say("Hi."), of(f"eve-{number}")) for number in range(5)]
        refused = await asyncio.gather(*strangers, return_exceptions=True)
        last = [part async for part in run.listen()][-1]
        assert {type(error) for error in refused} == {ThreadTaken}
        assert last["turn"]["outcome"] == "finished"


async def test_when_the_first_request_fails_the_next_user_has_the_thread(open_voice: Any) -> None:
    async with open_voice(ScriptedChatModel(["Hello Eve."])) as resources:
        graph = build_graph(resources)
        nobody: Any = {"configurable": {**of("ada")["configurable"], "agent": "nobody"}}
        _, answered = await asyncio.gather(
            graph.ainvoke(say("Hi."), nobody), graph.ainvoke(say("Hi."), of("eve")), return_exceptions=True
        )
        assert isinstance(answered, dict) and answered["turn"]["outcome"] == "finished"


async def test_of_several_first_requests_of_the_owner_the_newest_wins(open_voice: Any) -> None:
    async with open_voice(ScriptedChatModel(["Third."])) as resources:
        graph = build_graph(resources)
        results: list[Any] = await asyncio.gather(
            *(graph.ainvoke(say(f"{number}."), of("ada")) for number in range(3))
        )
        assert [result["turn"]["outcome"] for result in results] == ["interrupted", "interrupted", "finished"]
        assert results[2]["messages"][-1].text == "Third."
