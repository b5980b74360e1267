"""A process that is frozen in the middle of a turn, as by a machine that sleeps, loses its thread."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from voicegraph.graph import build_graph, open_resources
from voicegraph.nodes.testing import ScriptedChatModel
from voicegraph.state import Actor

CALL: Any = {"configurable": {"thread_id": "call-42"}}
PROGRAM = """
import asyncio, sys
from voicegraph.graph import build_graph, open_resources, stream_turn
from voicegraph.nodes.testing import ScriptedChatModel, ScriptedReply

async def main():
    hold = asyncio.Event()
    model = ScriptedChatModel([ScriptedReply(text="One two three four five.", hold=hold, hold_after=2)])
    async with open_resources(sys.argv[1], model=model) as resources:
        call = {"configurable": {"thread_id": "call-42"}}
        words = stream_turn(build_graph(resources), "Count.", call)
        for _ in range(2):
            await anext(words)
        print("spoke", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        hold.set()
        async for _ in words:
            pass

asyncio.run(main())
"""


@pytest.fixture
def speaking(postgres_url: str) -> Iterator[subprocess.Popen[str]]:
    """A process that has spoken two words, and goes on when it is told to."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, postgres_url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "spoke\n"
    yield process
    process.kill()
    process.communicate()


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="Windows freezes no process by a signal")
async def test_the_next_turn_is_answered_and_nothing_of_the_frozen_one_comes_after_it(
    speaking: subprocess.Popen[str], postgres_url: str
) -> None:
    os.kill(speaking.pid, signal.SIGSTOP)
    async with open_resources(postgres_url, model=ScriptedChatModel(["Yes?", "Good."])) as resources:
        graph = build_graph(resources)
        await graph.ainvoke({"messages": [("user", "Hello?")]}, CALL)
        os.kill(speaking.pid, signal.SIGCONT)
        speaking.communicate("go on\n")
        await graph.ainvoke({"messages": [("user", "Fine.")]}, CALL)
        window = (await graph.aget_state(CALL)).values["messages"]
        record = await resources.store.messages.history(Actor(), "call-42")
    said = [message.text for message in window]
    # What it spoke is written down a moment later, which it may not have lived to see.
    assert [words for words in said if words != "One two"] == ["Count.", "Hello?", "Yes?", "Fine.", "Good."]
    assert [message.text for message in record] == said
