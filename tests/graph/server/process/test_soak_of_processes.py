"""Several processes on one database, of which any may be killed: no call is broken, nothing is done twice."""

import asyncio
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
from langchain_core.messages import convert_to_openai_messages
from openai_server import validate_messages
from patience import PATIENCE
from soaking.caller import Caller
from soaking.fleet import Fleet
from soaking.model_process import ModelProcess

from voicegraph.graph import TurnGraph, build_graph, open_resources
from voicegraph.nodes.testing import ScriptedChatModel
from voicegraph.state import Actor

LONGEST_BLOCK = 5.0
"""Seconds without a word when a server dies, on a machine that does nothing else."""


async def check(graph: TurnGraph, caller: Caller) -> None:
    """Assert that the caller's thread is whole and holds all that was acknowledged, once."""
    state = await graph.aget_state({"configurable": {"thread_id": caller.thread}})
    window: Any = state.values["messages"]
    assert state.next == (), "a turn was left in the middle"
    assert not validate_messages(convert_to_openai_messages(window))
    said = [message.text for message in window if message.type == "human"]
    assert said[-3:] == [m["content"] for m in caller.history if m["role"] == "user"][-3:]
    assert len(set(said)) == len(said), "words of a caller are there twice"
    stored = await graph.resources.store.messages.history(Actor(), caller.thread)
    words = Counter(record.text for record in stored if record.role == "user")
    answers = "\n".join(record.text for record in stored if record.role == "assistant")
    for asked, answered in caller.acknowledged:
        assert words[asked] == 1, (asked, words[asked])
        assert answered.split(". ")[-1] in answers, (asked, answered)


@pytest.mark.parametrize(
    ("processes", "callers", "seconds", "pause", "kill_every", "longest"),
    [
        (2, 5, 4.0, 0.3, 2.0, PATIENCE),
        pytest.param(4, 200, 60.0, 12.0, 9.0, LONGEST_BLOCK, marks=pytest.mark.soak),
    ],
)
async def test_processes_that_are_killed_lose_nothing(
    soak_model: ModelProcess,
    tmp_path: Path,
    postgres_url: str,
    processes: int,
    callers: int,
    seconds: float,
    pause: float,
    kill_every: float,
    longest: float,
) -> None:
    orders = tmp_path / "orders"
    orders.touch()
    fleet, dice = Fleet(tmp_path, postgres_url, soak_model.url, orders), random.Random(7)
    people = [Caller(number, random.Random(number)) for number in range(callers)]
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    try:
        await fleet.start(processes)
        async with httpx.AsyncClient(limits=limits, timeout=PATIENCE) as client:
            until = time.monotonic() + seconds
            talking = asyncio.gather(*(caller.talk(client, fleet, pause, until) for caller in people))
            # A caller whom the last kill cuts off still has time to ask again.
            while time.monotonic() + 1.5 * kill_every <= until:
                await asyncio.sleep(kill_every)
                await fleet.kill_one(dice)
            await talking
            await fleet.quiet(client)
    finally:
        await asyncio.to_thread(fleet.close)
    assert [failure for caller in people for failure in caller.failed] == []
    async with open_resources(postgres_url, model=ScriptedChatModel([])) as resources:
        graph = build_graph(resources)
        for caller in people:
            await check(graph, caller)
    firsts = sorted(first for caller in people for first in caller.first_words)
    blocked = [time for caller in people for time in caller.blocked]
    print(f"\n{len(firsts)} turns of {callers} callers, {processes} processes, {fleet.killed} killed")
    print(
        f"first word: median {firsts[len(firsts) // 2]:.3f} s, 95th {firsts[int(len(firsts) * 0.95)]:.3f} s"
    )
    print(f"{len(blocked)} callers met a dead process, for {max(blocked, default=0):.2f} s at most")
    placed = Counter(orders.read_text().split())
    assert [order for order, times in placed.items() if times > 1] == []
    assert [order for caller in people for order in caller.orders if not placed[order]] == []
    assert max(blocked, default=0) < longest
    assert await asyncio.to_thread(soak_model.end) == []
