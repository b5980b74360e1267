"""PostgreSQL goes away and comes back during a turn: callers hear of nothing, or of all of it."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from calling import CALL, call_with, user_says
from forgetful_router import router_to
from open_voice import OpenVoice
from owners import postgres_owner
from postgres_outage import Outage
from postgres_server import PostgresServer

from voicegraph.graph import Resources, build_graph, open_resources, stream_turn
from voicegraph.nodes import Speech, ToolFinished, TurnFinished
from voicegraph.nodes.testing import ScriptedChatModel, ScriptedReply, calls
from voicegraph.state import Actor
from voicegraph.state.errors import StorageError, ThreadLost
from voicegraph.state.postgres.leases import key_of


@pytest.fixture
def voice_url(postgres_url: str) -> str:
    return postgres_url


def spoken(events: list[Any]) -> str:
    return "".join(event.content for event in events if isinstance(event, Speech))


async def stored(resources: Resources) -> list[str]:
    return [record.text for record in await resources.store.messages.history(Actor(), "call-42")]


async def test_a_turn_is_spoken_to_its_end_and_stored_when_the_server_is_back(
    open_voice: OpenVoice, outage: Outage
) -> None:
    gate = asyncio.Event()
    reply = ScriptedReply(text="One two three four.", hold=gate, hold_after=2)
    async with open_voice(ScriptedChatModel(["Hello.", reply, "Yes."])) as resources:
        graph = build_graph(resources)
        await graph.ainvoke(user_says("Hi."), CALL)
        events = stream_turn(graph, "Count.", CALL)
        heard = [await anext(events), await anext(events)]
        with outage.lasting():
            gate.set()
            heard += [await anext(events), await anext(events)]
            finished = await anext(events)
        assert spoken(heard) == "One two three four."
        assert isinstance(finished, TurnFinished) and finished.finish_reason == "stop"
        assert [event async for event in events] == []
        said = ["Hi.", "Hello.", "Count.", "One two three four."]
        assert await stored(resources) == said
        after = await graph.ainvoke(user_says("Are you there?"), CALL)
        assert [message.text for message in after["messages"]] == [*said, "Are you there?", "Yes."]


async def test_a_tool_that_ends_while_the_server_is_away_gives_its_result_and_the_turn_goes_on(
    open_voice: OpenVoice, outage: Outage
) -> None:
    async def look_up(word: str) -> str:
        """Look a word up, which takes the database with it."""
        outage.begin()
        return f"{word}: found."

    model = ScriptedChatModel([calls("look_up", "I look it up.", word="ivy"), "It was found."])
    async with open_voice(model, tools=[look_up]) as resources:
        graph = build_graph(resources)
        heard: list[Any] = []
        async for event in stream_turn(graph, "Look.", CALL):
            heard.append(event)
            if isinstance(event, TurnFinished):
                outage.end()
        assert spoken(heard) == "I look it up. It was found."
        [finished] = [event for event in heard if isinstance(event, ToolFinished)]
        assert finished.status == "success"
        assert model.requests[1].messages[-1].text.startswith("ivy: found.")
        assert (await stored(resources))[-1] == "It was found."


async def test_no_turn_begins_while_the_server_is_away(open_voice: OpenVoice, outage: Outage) -> None:
    async with open_voice(ScriptedChatModel(["Hello.", "Yes."])) as resources:
        graph = build_graph(resources)
        await graph.ainvoke(user_says("Hi."), CALL)
        with outage.lasting(), pytest.raises(StorageError) as error:
            await graph.ainvoke(user_says("Hi?"), {"configurable": {"thread_id": "new"}})
        assert error.value.retryable
        after = await graph.ainvoke(user_says("Are you there?"), CALL)
        assert [message.text for message in after["messages"]][-1] == "Yes."


async def test_turns_outlive_a_server_that_is_killed_and_started_again(own_server: PostgresServer) -> None:
    gate = asyncio.Event()
    model = ScriptedChatModel(lambda _: ScriptedReply(text="One two three four.", hold=gate, hold_after=2))
    async with open_resources(own_server.url(), model=model) as resources:
        graph = build_graph(resources)
        calls_of = [call_with(thread_id=f"call-{number}") for number in range(10)]
        turns = [stream_turn(graph, "Count.", call) for call in calls_of]
        heard = [[await anext(turn), await anext(turn)] for turn in turns]
        await asyncio.to_thread(own_server.kill)
        gate.set()
        for events, turn in zip(heard, turns, strict=True):
            events += [await anext(turn), await anext(turn)]
        await asyncio.to_thread(own_server.start)
        assert {spoken(events) for events in heard} == {"One two three four."}
        for turn in turns:
            assert [type(event) async for event in turn] == [TurnFinished]
        for call in calls_of:
            window = (await graph.aget_state(call)).values["messages"]
            assert [message.text for message in window] == ["Count.", "One two three four."]


async def test_a_turn_keeps_its_thread_when_the_server_does_not_notice_that_the_link_broke(
    postgres_url: str,
) -> None:
    gate = asyncio.Event()
    model = ScriptedChatModel([ScriptedReply(text="One two three four.", hold=gate, hold_after=2)])
    async with router_to(postgres_url) as router, open_resources(router.url, model=model) as resources:
        graph = build_graph(resources)
        events = stream_turn(graph, "Count.", CALL)
        heard = [await anext(events), await anext(events)]
        router.forget()
        while resources.owner.is_linked:
            await asyncio.sleep(0)
        while not resources.owner.is_linked:
            await asyncio.sleep(0)
        gate.set()
        heard += [event async for event in events]
        assert isinstance(heard[-1], TurnFinished) and heard[-1].finish_reason == "stop"
        assert await stored(resources) == ["Count.", "One two three four."]


async def test_what_another_process_did_meanwhile_is_not_overwritten(
    open_voice: OpenVoice, postgres_url: str
) -> None:
    reply = ScriptedReply(text="One two three four.", hold=asyncio.Event(), hold_after=2)
    async with open_voice(ScriptedChatModel([reply])) as resources:
        graph = build_graph(resources)
        events = stream_turn(graph, "Count.", CALL)
        await anext(events)
        run = resources.threads.running("call-42")
        assert run
        taker = await asyncio.to_thread(take_over, postgres_url, postgres_owner(resources).others.address)
        while not run.stop.requested:
            await asyncio.sleep(0)
        taker.close()
        async with open_resources(postgres_url, model=ScriptedChatModel(["Yes."])) as other:
            after = await build_graph(other).ainvoke(user_says("Are you there?"), CALL)
        with pytest.raises(ThreadLost, match="call-42"):
            async for _ in events:
                pass
        assert (await graph.aget_state(CALL)).values["messages"] == after["messages"]


def take_over(url: str, address: int) -> psycopg.Connection[Any]:
    """Cut off the process at `address`, and return a connection that has its thread since."""
    taker = psycopg.connect(url, autocommit=True)
    with ThreadPoolExecutor(1) as waiting, psycopg.connect(url, autocommit=True) as killer:
        taken = waiting.submit(taker.execute, "SELECT pg_advisory_lock(%s)", (key_of("call-42"),))
        while not killer.execute("SELECT FROM pg_locks WHERE NOT granted").fetchall():
            pass
        killer.execute("SELECT pg_terminate_backend(%s)", (address,))
        taken.result()
    return taker
