"""Several processes on one PostgreSQL database: here two sets of resources in one process stand for them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import psycopg
import pytest
from calling import CALL, held, spoken_until, user_says
from owners import postgres_owner

from voicegraph.graph import (
    Settings,
    TurnGraph,
    build_graph,
    interrupt,
    open_resources,
    resume_turn,
)
from voicegraph.nodes import TurnFinished
from voicegraph.nodes.testing import ScriptedChatModel, ScriptedReply
from voicegraph.state import Actor
from voicegraph.state.errors import NothingToResume, ThreadBusy, ThreadTaken

LONG = "One two three four five six seven eight nine ten."
Start = Callable[..., AbstractAsyncContextManager[TurnGraph]]


@pytest.fixture
def start(postgres_url: str) -> Start:
    """Return how to open the database as a process of its own does."""

    @asynccontextmanager
    async def process(*replies: Any, **settings: Any) -> AsyncIterator[TurnGraph]:
        model = ScriptedChatModel(list(replies))
        options = Settings(filler_after=None, **settings)
        async with open_resources(postgres_url, model=model, settings=options) as resources:
            yield build_graph(resources)

    return process


async def window(graph: TurnGraph) -> list[str]:
    return [message.text for message in (await graph.aget_state(CALL)).values["messages"]]


async def records(graph: TurnGraph) -> list[str]:
    stored = await graph.resources.store.messages.history(Actor(), "call-42")
    return [record.text for record in stored]


async def test_a_thread_goes_on_in_whatever_process_the_next_turn_comes_in(start: Start) -> None:
    async with start("A1.", "A2.") as one, start("B1.", "B2.") as other:
        for number, graph in enumerate((one, other, one, other), start=1):
            await graph.ainvoke(user_says(f"Q{number}."), CALL)
        assert await window(one) == ["Q1.", "A1.", "Q2.", "B1.", "Q3.", "A2.", "Q4.", "B2."]
        assert await records(other) == await window(one)


async def test_a_newer_turn_stops_the_one_that_runs_in_another_process(start: Start) -> None:
    async with start(held(LONG, 3)) as one, start("Yes?") as other:
        stream = await spoken_until(one, 3)
        await other.ainvoke(user_says("Hey."), CALL)
        rest = [event async for event in stream]
        assert isinstance(rest[-1], TurnFinished) and rest[-1].finish_reason == "interrupted"
        assert await window(other) == ["Count.", "One two three", "Hey.", "Yes?"]
        assert await records(one) == await window(other)


async def test_the_newest_of_three_wins_and_no_words_are_lost(start: Start) -> None:
    async with start(held(LONG, 3)) as one, start(held("Not said.", 0)) as two, start("Yes?") as three:
        stream = await spoken_until(one, 3)
        second = asyncio.create_task(two.ainvoke(user_says("Hey."), CALL))
        while not postgres_owner(one.resources).others.is_wanted("call-42"):
            await asyncio.sleep(0)
        await three.ainvoke(user_says("Are you there?"), CALL)
        await second
        said = await window(three)
        assert said[:2] == ["Count.", "One two three"]
        assert sorted(said[2:]) == sorted(["Hey.", "Are you there?", "Yes?"])
        await _drained(stream)


async def test_the_newest_wins_over_one_that_waits_behind_another_of_its_process(start: Start) -> None:
    async with start(held(LONG, 3), held("Not said.", 0)) as one, start("Yes?") as other:
        stream = await spoken_until(one, 3)
        second = asyncio.create_task(one.ainvoke(user_says("Hey."), CALL))
        while len(one.resources.threads.chain("call-42")) < 2:
            await asyncio.sleep(0)
        one.resources.threads.chain("call-42")[0].asked -= 1.0
        await other.ainvoke(user_says("Are you there?"), CALL)
        await second
        said = await window(other)
        assert said[:2] == ["Count.", "One two three"]
        assert sorted(said[2:]) == sorted(["Hey.", "Are you there?", "Yes?"])
        await _drained(stream)


async def test_an_enqueued_turn_waits_for_the_one_in_another_process(start: Start) -> None:
    gate = asyncio.Event()
    first = ScriptedReply(text="One two three.", hold=gate, hold_after=2)
    async with start(first) as one, start("Yes?", overlap="enqueue") as other:
        stream = await spoken_until(one, 2)
        second = asyncio.create_task(other.ainvoke(user_says("Hey."), CALL))
        while not postgres_owner(one.resources).others.is_wanted("call-42"):
            await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(second, _drained(stream))
        assert await window(one) == ["Count.", "One two three.", "Hey.", "Yes?"]


async def test_a_turn_is_rejected_while_one_speaks_in_another_process(start: Start) -> None:
    async with start(held(LONG, 3)) as one, start("Yes?", overlap="reject") as other:
        stream = await spoken_until(one, 3)
        with pytest.raises(ThreadBusy, match="call-42"):
            await other.ainvoke(user_says("Hey."), CALL)
        await interrupt(one, "call-42")
        await other.ainvoke(user_says("Hey."), CALL)
        assert await window(other) == ["Count.", "One two three", "Hey.", "Yes?"]
        await _drained(stream)


@pytest.mark.parametrize("heard", [None, "one TWO", "one two " + 20_000 * "\N{PILE OF POO}"])
async def test_interrupt_reaches_the_process_that_speaks(start: Start, heard: str | None) -> None:
    async with start(held(LONG, 3)) as one, start() as other:
        stream = await spoken_until(one, 3)
        assert await interrupt(other, "call-42", heard) is True
        assert await window(other) == ["Count.", "One two three" if heard is None else "One two"]
        assert await records(other) == await window(other)
        await _drained(stream)


async def test_a_reply_in_playback_is_cut_by_any_process(start: Start) -> None:
    async with start(LONG, "Yes?") as one, start() as other:
        await one.ainvoke(user_says("Count."), CALL)
        assert await interrupt(other, "call-42", heard="One two three four") is False
        await one.ainvoke(user_says("Hey."), CALL)
        assert await window(one) == ["Count.", "One two three four", "Hey.", "Yes?"]


async def test_a_turn_that_runs_elsewhere_is_not_resumed(start: Start) -> None:
    async with start(held(LONG, 3)) as one, start() as other:
        stream = await spoken_until(one, 3)
        with pytest.raises(ThreadBusy):
            await anext(resume_turn(other, CALL))
        await interrupt(other, "call-42")
        with pytest.raises(NothingToResume):
            await anext(resume_turn(other, CALL))
        await _drained(stream)


async def test_the_key_of_a_thread_leaves_room_in_a_notice_for_what_was_heard(start: Start) -> None:
    longest = "".join(chr(0x20000 + place) for place in range(200))
    actor, heard = Actor(longest, longest), "one two " + 200 * "\N{PILE OF POO}"
    call = {"thread_id": longest, "organization": longest, "user": longest}
    async with start(held(LONG, 3)) as one, start() as other:
        stream = await spoken_until(one, 3, call={"configurable": call})
        assert await interrupt(other, longest, heard, actor=actor) is True
        stored = await other.resources.store.messages.history(actor, longest)
        assert [message.text for message in stored] == ["Count.", "One two"]
        await _drained(stream)


async def test_another_user_or_agent_stops_nobody_in_another_process(start: Start) -> None:
    async with start(held(LONG, 3)) as one, start("Yes?") as other:
        stream = await spoken_until(one, 3)
        await other.resources.store.agents.create(Actor(), "nina")
        with pytest.raises(ThreadTaken):
            await other.ainvoke(
                user_says("Hey."), {"configurable": {"thread_id": "call-42", "agent": "nina"}}
            )
        await other.ainvoke(user_says("Hey."), {"configurable": {"thread_id": "call-42", "user": "eve"}})
        run = one.resources.threads.running("call-42")
        assert run and not run.stop.requested
        await stream.aclose()


async def test_a_thread_that_was_deleted_elsewhere_begins_anew(start: Start) -> None:
    async with start("A1.", "A2.") as one, start() as other:
        await one.ainvoke(user_says("Q1."), CALL)
        await other.resources.store.threads.delete(Actor(), "call-42")
        await one.ainvoke(user_says("Q2."), CALL)
        assert await window(one) == ["Q2.", "A2."]
        assert await records(one) == ["Q2.", "A2."]


async def test_turns_of_a_process_in_a_row_read_no_state_again(start: Start) -> None:
    async with start("A1.", "A2.", "A3.") as one:
        await one.ainvoke(user_says("Q1."), CALL)
        await one.ainvoke(user_says("Q2."), CALL)
        head = (await one.aget_state(CALL)).config.get("configurable", {})["checkpoint_id"]
        assert one.resources.known.heads["call-42"] == head


async def test_a_thread_is_free_as_soon_as_its_process_is_gone(start: Start, postgres_url: str) -> None:
    async with start(held(LONG, 3)) as one, start("Yes?") as other:
        stream = await spoken_until(one, 3)
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(%s)", (postgres_owner(one.resources).others.address,)
            )
            await other.ainvoke(user_says("Hey."), CALL)
        said = await window(other)
        assert said[0] == "Count."
        assert said[-2:] == ["Hey.", "Yes?"]
        await stream.aclose()


async def _drained(stream: Any) -> None:
    with contextlib.suppress(StopAsyncIteration):
        while True:
            await anext(stream)
