"""Processes whose clocks differ serve one thread: nothing that was said is forgotten or doubled."""

from collections.abc import Iterator

import pytest
from calling import CALL, user_says
from forked_python import ForkedPython

from voicegraph.graph import build_graph, open_resources
from voicegraph.nodes.testing import ScriptedChatModel
from voicegraph.state import Actor

PROGRAM = """
import sys, time
url, shift = sys.argv[1], float(sys.argv[2])
seconds, nanoseconds = time.time, time.time_ns
time.time, time.time_ns = lambda: seconds() + shift, lambda: nanoseconds() + int(shift * 1e9)

import asyncio
from voicegraph.graph import build_graph, open_resources
from voicegraph.nodes.testing import ScriptedChatModel

async def main():
    model = ScriptedChatModel(lambda messages: f"I know {sum(m.type == 'human' for m in messages)}.")
    async with open_resources(url, model=model) as resources:
        graph = build_graph(resources)
        print("ready", flush=True)
        while words := await asyncio.to_thread(sys.stdin.readline):
            call = {"configurable": {"thread_id": "call-42"}}
            values = await graph.ainvoke({"messages": [("user", words.strip())]}, call)
            print(values["messages"][-1].text, flush=True)

asyncio.run(main())
"""


class Elsewhere:
    """A process with a clock of its own."""

    def __init__(self, url: str, shift: float) -> None:
        self.process = ForkedPython(["-c", PROGRAM, url, str(shift)], stdin=True)
        assert self.read() == "ready"

    def read(self) -> str:
        return self.process.stdout.readline().strip()

    def say(self, words: str) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{words}\n")
        self.process.stdin.flush()
        return self.read()


@pytest.fixture(params=[-86_400.0, 20.0], ids=["a day back", "20 s ahead"])
def elsewhere(each_url: str, request: pytest.FixtureRequest) -> Iterator[Elsewhere]:
    other = Elsewhere(each_url, request.param)
    yield other
    other.process.close()


async def test_each_process_knows_what_the_other_one_heard_last(elsewhere: Elsewhere, each_url: str) -> None:
    model = ScriptedChatModel(lambda messages: f"I know {sum(m.type == 'human' for m in messages)}.")
    async with open_resources(each_url, model=model) as resources:
        graph = build_graph(resources)
        replies: list[str] = []
        for here, there in (("Alpha", "Beta"), ("Gamma", "Delta"), ("Epsilon", "Zeta")):
            values = await graph.ainvoke(user_says(here), CALL)
            replies += [values["messages"][-1].text, elsewhere.say(there)]
        assert replies == [f"I know {count}." for count in range(1, 7)]
        record = await resources.store.messages.history(Actor(), "call-42")
    said = [message.text for message in record if message.role == "user"]
    assert said == ["Alpha", "Beta", "Gamma", "Delta", "Epsilon", "Zeta"]
