"""A turn may be stopped at any instant, in any way: nothing is lost or run twice, the next turn works."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from calling import user_says
from open_voice import OpenVoice
from postgres_databases import PostgresDatabases

from voicegraph.graph import (
    Settings,
    TurnGraph,
    build_graph,
    interrupt,
    open_resources,
    resume_turn,
    stream_turn,
)
from voicegraph.nodes import Speech, TurnFinished
from voicegraph.nodes.testing import ScriptedChatModel
from voicegraph.state.errors import NothingToResume

from .killed import Killed
from .turn import assert_no_double_runs, check_thread, reply_by_need, sweep_tools

STEP = 0.005
AT_ONCE = 25
SPAN = 0.6
"""Seconds from the first word of the swept turn to its end."""
Stop = Callable[[TurnGraph, str, "asyncio.Task[Any]"], Awaitable[object]]


async def by_interrupt(graph: TurnGraph, thread_id: str, turn: "asyncio.Task[Any]") -> None:
    """Stop the turn as a barge-in does."""
    await interrupt(graph, thread_id)
    await turn


async def by_cancelling(graph: TurnGraph, thread_id: str, turn: "asyncio.Task[Any]") -> None:
    """Stop the turn as a web framework does when its client has gone."""
    turn.cancel()
    await asyncio.wait({turn})


@pytest.mark.parametrize("instants", [40, pytest.param(240, marks=pytest.mark.soak)])
@pytest.mark.parametrize("stop", [by_interrupt, by_cancelling])
async def test_a_turn_may_be_stopped_at_any_instant(stop: Stop, instants: int, open_voice: OpenVoice) -> None:
    runs: list[str] = []
    model = ScriptedChatModel(reply_by_need)
    gate = asyncio.Semaphore(AT_ONCE)
    async with open_voice(model, tools=sweep_tools(runs.append)) as resources:
        graph = build_graph(resources)

        async def one(number: int) -> None:
            thread_id = f"call-{number}"
            config: Any = {"configurable": {"thread_id": thread_id}}
            async with gate:
                turn = asyncio.create_task(graph.ainvoke(user_says("Both, please."), config))
                await asyncio.wait({turn}, timeout=(number + 1) * STEP * 240 / instants)
                await stop(graph, thread_id, turn)
                after = await graph.ainvoke(user_says("Hello?"), config)
            assert after["messages"][-1].text == "Here I am."
            await check_thread(graph, resources, thread_id, ["Both, please.", "Hello?"])

        await asyncio.gather(*(one(number) for number in range(instants)))
    assert_no_double_runs(runs)


@pytest.mark.parametrize("then", ["resume", "go on"])
@pytest.mark.parametrize("instants", [4, pytest.param(70, marks=pytest.mark.soak)])
async def test_a_process_may_be_killed_at_any_instant(
    instants: int, then: str, killed: Killed, tmp_path: Path, empty_database: Path
) -> None:
    url = f"sqlite:///{tmp_path}/voice.db"
    for number in range(instants):
        for old in tmp_path.glob("voice*"):
            old.unlink()
        for file in empty_database.parent.glob("voice*.db"):
            shutil.copy(file, tmp_path)
        await killed_once(killed, url, tmp_path / f"runs-{number}", number * SPAN / instants, then)


@pytest.mark.parametrize("then", ["resume", "go on"])
@pytest.mark.parametrize("instants", [2, pytest.param(70, marks=pytest.mark.soak)])
async def test_a_process_on_postgresql_may_be_killed_at_any_instant(
    instants: int, then: str, killed: Killed, tmp_path: Path, postgres: PostgresDatabases
) -> None:
    for number in range(instants):
        with postgres.fresh() as url:
            seconds = (number + 0.5) * SPAN / instants
            await killed_once(killed, url, tmp_path / f"runs-{number}", seconds, then)


async def killed_once(killed: Killed, url: str, counter: Path, seconds: float, then: str) -> None:
    """Kill a process in its turn, and go on with the thread in this one."""
    await asyncio.to_thread(killed.run, url, counter, seconds)

    def count(call_id: str) -> None:
        with counter.open("a") as lines:
            lines.write(f"{call_id}\n")

    tools, settings = sweep_tools(count), Settings(filler_after=None)
    model = ScriptedChatModel(reply_by_need)
    async with open_resources(url, model=model, tools=tools, settings=settings) as resources:
        graph = build_graph(resources)
        config: Any = {"configurable": {"thread_id": "call-42"}}
        if then == "resume":
            left = (await graph.aget_state(config)).next
            with suppress(NothingToResume):
                resumed = [event async for event in resume_turn(graph, config)]
                assert isinstance(resumed[-1], TurnFinished)
                # Behind the last word only storing was left, or the last step was whole and not followed up.
                assert left in (("persist_and_trim",), ()) or any(isinstance(e, Speech) for e in resumed)
        events = [e async for e in stream_turn(graph, "Hello?", config) if isinstance(e, Speech)]
        assert "".join(event.content for event in events) == "Here I am."
        await check_thread(graph, resources, "call-42", ["Both, please.", "Hello?"])
    assert_no_double_runs(counter.read_text().split() if counter.exists() else [])
