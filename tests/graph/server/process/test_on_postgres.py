"""What a client is told when another process has its thread, or PostgreSQL has no time for it."""

import asyncio
from typing import Any

import pytest
from calling import user_says
from patience import PATIENCE
from postgres_outage import Outage
from served_app import Serve

from voicegraph.graph import build_graph, open_resources, stream_turn
from voicegraph.nodes import Speech
from voicegraph.nodes.testing import ScriptedChatModel, ScriptedReply
from voicegraph.nodes.turn.limits import TurnLimits

BODY: Any = {
    "model": "default",
    "messages": [{"role": "user", "content": "Hi."}],
    "stream": True,
    "thread_id": "call-42",
}


@pytest.fixture
def voice_url(postgres_url: str) -> str:
    return postgres_url


async def test_a_database_without_a_free_connection_is_a_503_before_any_speech(serve: Serve) -> None:
    model = ScriptedChatModel(["Hello.", "Yes."])
    async with serve(model, database_connections=4) as served, served.client() as client:
        await client.post("/v1/chat/completions", json=BODY)
        while served.resources.threads.count():
            await asyncio.sleep(0)
        more = {**BODY, "messages": [*BODY["messages"], {"role": "user", "content": "Are you there?"}]}
        checkpointer: Any = served.resources.checkpointer
        pool = checkpointer.pool
        patient = pool.timeout
        served.resources.checkpointer.heads.drop("call-42")  # Else the turn needs none before its first word.
        async with pool.connection(), pool.connection():
            pool.timeout = 0.05
            full = await client.post("/v1/chat/completions", json=more)
        pool.timeout = patient
        after = await client.post("/v1/chat/completions", json=more)
    assert full.status_code == 503
    assert full.json()["error"]["code"] == "database_busy"
    assert full.headers["retry-after"] == "1"
    assert "Yes." in after.text


async def test_a_thread_that_another_process_keeps_is_a_409(serve: Serve, postgres_url: str) -> None:
    held = ScriptedReply(text="One two three.", hold=asyncio.Event(), hold_after=2)
    async with (
        open_resources(postgres_url, model=ScriptedChatModel([held])) as other,
        serve(ScriptedChatModel([]), overlap="reject") as served,
        served.client() as client,
    ):
        events = stream_turn(build_graph(other), "Count.", {"configurable": {"thread_id": "call-42"}})
        await anext(events)
        answer = await client.post("/v1/chat/completions", json=BODY)
        await events.aclose()
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "thread_busy"
    assert answer.headers["retry-after"] == "1"


async def test_a_thread_is_deleted_also_while_another_process_speaks_on_it(
    serve: Serve, postgres_url: str
) -> None:
    held = ScriptedReply(text="One two three.", hold=asyncio.Event(), hold_after=2)
    async with (
        open_resources(postgres_url, model=ScriptedChatModel([held])) as other,
        serve(ScriptedChatModel([])) as served,
        served.client() as client,
    ):
        graph = build_graph(other)
        events = stream_turn(graph, "Count.", {"configurable": {"thread_id": "call-42"}})
        await anext(events)
        answer = await client.delete("/v1/threads/call-42")
        assert not isinstance([event async for event in events][-1], Speech)
        assert await other.checkpointer.count(["call-42"]) == {
            "thread_checkpoints": 0,
            "thread_writes": 0,
            "thread_pieces": 0,
        }
    assert answer.status_code == 200


async def test_a_server_without_its_database_says_so_and_is_not_ready_until_it_is_back(
    serve: Serve, outage: Outage
) -> None:
    async with serve(ScriptedChatModel(["Hello."])) as served, served.client() as client:
        with outage.lasting():
            away = await client.get("/ready")
            answer = await client.post("/v1/chat/completions", json=BODY)
        async with asyncio.timeout(PATIENCE):
            while (back := await client.get("/ready")).status_code != 200:
                await asyncio.sleep(0)
        again = await client.post("/v1/chat/completions", json=BODY)
    reason = "the database cannot be reached"
    assert (away.status_code, away.json()) == (503, {"status": "no database", "reason": reason})
    assert answer.status_code == 200
    assert TurnLimits().apology in answer.text
    assert (back.status_code, again.status_code) == (200, 200)
    assert "Hello." in again.text


async def test_a_side_call_leaves_the_turn_of_another_process_alone(serve: Serve, postgres_url: str) -> None:
    hold = asyncio.Event()
    first = ScriptedReply(text="Sure, for how many nights?")
    held = ScriptedReply(text="One two three.", hold=hold, hold_after=2)
    beside = ScriptedChatModel(["Wants a room."])
    call: Any = {"configurable": {"thread_id": "call-42"}}
    quoted = "Conversation:\n<user>A room, please.</user>\n<assistant>Sure, for how many nights?</assistant>"
    said = [{"role": "system", "content": "Summarize."}, {"role": "user", "content": quoted}]
    async with (
        open_resources(postgres_url, model=ScriptedChatModel([first, held])) as other,
        serve(beside) as served,
        served.client() as client,
    ):
        graph = build_graph(other)
        begun: Any = user_says("A room, please.")
        await graph.ainvoke(begun, call)
        events = stream_turn(graph, "Two nights.", call)
        spoken = [await anext(events)]
        answer = await client.post("/v1/chat/completions", json={**BODY, "messages": said})
        hold.set()
        spoken += [event async for event in events]
    assert '"finish_reason":"stop"' in answer.text
    assert [message.text for message in beside.requests[0].messages] == ["Summarize.", quoted]
    assert "".join(event.content for event in spoken if isinstance(event, Speech)) == "One two three."
