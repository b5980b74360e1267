"""A process that is frozen in the middle of a turn, as by a machine that sleeps, loses its thread.

The caller hears the filler meanwhile.
"""

import json
import os
import signal
from collections.abc import Iterator

import httpx
import pytest
from calling import CALL, user_says
from forked_python import ForkedPython

from voicegraph.graph import Settings, build_graph, open_resources, stream_turn
from voicegraph.graph.server.app import create_app
from voicegraph.nodes import Speech
from voicegraph.nodes.testing import ScriptedChatModel
from voicegraph.nodes.turn.limits import TurnLimits
from voicegraph.state import Actor

pytestmark = pytest.mark.skipif(
    not hasattr(signal, "SIGSTOP"), reason="Windows freezes no process by a signal"
)

FILLER = TurnLimits().filler
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
def speaking(postgres_url: str) -> Iterator[ForkedPython]:
    """A process that has spoken two words, and goes on when it is told to."""
    with ForkedPython(["-c", PROGRAM, postgres_url], stdin=True) as process:
        assert process.stdout.readline() == "spoke\n"
        yield process


async def test_the_next_turn_is_answered_and_nothing_of_the_frozen_one_comes_after_it(
    speaking: ForkedPython, postgres_url: str
) -> None:
    os.kill(speaking.pid, signal.SIGSTOP)
    async with open_resources(postgres_url, model=ScriptedChatModel(["Yes?", "Good."])) as resources:
        graph = build_graph(resources)
        await graph.ainvoke(user_says("Hello?"), CALL)
        os.kill(speaking.pid, signal.SIGCONT)
        speaking.communicate("go on\n")
        await graph.ainvoke(user_says("Fine."), CALL)
        window = (await graph.aget_state(CALL)).values["messages"]
        record = await resources.store.messages.history(Actor(), "call-42")
    said = [message.text for message in window]
    # What it spoke is written down a moment later, which it may not have lived to see.
    assert [words for words in said if words != "One two"] == ["Count.", "Hello?", "Yes?", "Fine.", "Good."]
    assert [message.text for message in record] == said


async def test_the_caller_hears_the_filler_while_the_frozen_process_has_the_thread(
    speaking: ForkedPython, postgres_url: str
) -> None:
    os.kill(speaking.pid, signal.SIGSTOP)
    model = ScriptedChatModel(["Yes?", "Good."])
    async with open_resources(postgres_url, model=model) as resources:
        graph = build_graph(resources)
        events = [event async for event in stream_turn(graph, "Hello?", CALL)]
        await graph.ainvoke(user_says("Fine."), CALL)
        record = await resources.store.messages.history(Actor(), "call-42")
    assert [event.content for event in events if isinstance(event, Speech)] == [FILLER, " Yes?"]
    assert [message.heard for message in record][-4:] == ["Hello?", f"{FILLER} Yes?", "Fine.", "Good."]
    assert [message.text for message in model.requests[-1].messages][-3:] == ["Hello?", "Yes?", "Fine."]


async def test_nothing_is_said_meanwhile_without_a_filler(speaking: ForkedPython, postgres_url: str) -> None:
    os.kill(speaking.pid, signal.SIGSTOP)
    settings = Settings(filler_after=None)
    async with open_resources(
        postgres_url, model=ScriptedChatModel(["Yes?"]), settings=settings
    ) as resources:
        events = [event async for event in stream_turn(build_graph(resources), "Hello?", CALL)]
    assert [event.content for event in events if isinstance(event, Speech)] == ["Yes?"]


async def test_a_client_over_http_hears_the_filler_too(speaking: ForkedPython, postgres_url: str) -> None:
    os.kill(speaking.pid, signal.SIGSTOP)
    answer = await ask_over_http(postgres_url, ScriptedChatModel(["Yes?"]))
    assert answer.status_code == 200
    assert spoken(answer.text) == [FILLER, " Yes?"]


async def test_a_wait_that_ends_in_an_error_ends_in_one_apology(
    speaking: ForkedPython, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voicegraph.graph.threads.other_processes._MOST_ENDED", 0)
    os.kill(speaking.pid, signal.SIGSTOP)
    answer = await ask_over_http(postgres_url, ScriptedChatModel([]))
    assert spoken(answer.text) == [FILLER, f" {TurnLimits().apology}"]


async def ask_over_http(url: str, model: ScriptedChatModel) -> httpx.Response:
    """Ask a server over the database at `url` on the thread of the frozen process."""
    body = {"messages": [{"role": "user", "content": "Hello?"}], "stream": True, "thread_id": "call-42"}
    async with open_resources(url, model=model) as resources:
        transport = httpx.ASGITransport(create_app(build_graph(resources)), client=("127.0.0.1", 50000))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.post("/v1/chat/completions", json=body)


def spoken(stream: str) -> list[str]:
    """Return the words of each chunk of a streamed answer."""
    chunks = [json.loads(line[6:]) for line in stream.split("\n") if line.startswith("data: {")]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    return [delta["content"] for delta in deltas if delta.get("content")]
