"""Many callers at once, who interrupt and drop as they like: no turn fails, each conversation is whole."""

import asyncio
import json
import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from forked_python import ForkedPython
from langchain_core.messages import convert_to_openai_messages
from openai_server import validate_messages
from patience import PATIENCE
from serving import Process, serving

from voicegraph.graph import build_graph, open_resources
from voicegraph.graph.settings import load_settings
from voicegraph.nodes.testing import ScriptedChatModel

TESTS = Path(__file__).parents[3]


@dataclass
class Caller:
    """One caller, what was said and heard, and how long the first word took each time, in seconds."""

    number: int
    dice: random.Random
    history: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    first_words: list[float] = field(default_factory=list[float])
    failed: list[str] = field(default_factory=list[str])

    @property
    def thread(self) -> str:
        return f"call-{self.number}"

    async def talk(self, client: httpx.AsyncClient, tokens: int, pause: float, until: float) -> None:
        """Ask again and again; interrupt one reply in ten, drop one turn in twenty as if never asked."""
        turn = 0
        while time.monotonic() < until:
            turn += 1
            words = {"role": "user", "content": f"Question {turn} of caller {self.number} [[paced {tokens}]]"}
            chance = self.dice.random()
            stop = self.dice.randint(0, tokens) if chance < 0.15 else None
            heard = await self._ask(client, [*self.history, words], stop)
            await asyncio.sleep(self.dice.uniform(0, 2 * pause))  # The caller listens, thinks and speaks.
            if 0.1 <= chance < 0.15:
                continue  # The client never mentions this turn again.
            self.history.append(words)
            if heard:
                self.history.append({"role": "assistant", "content": heard})

    async def _ask(self, client: httpx.AsyncClient, messages: list[Any], stop: int | None) -> str:
        body = {"model": "default", "messages": messages, "stream": True, "thread_id": self.thread}
        heard, count, began = "", 0, time.monotonic()
        async with client.stream("POST", "/v1/chat/completions", json=body) as answer:
            if answer.status_code != 200:
                self.failed.append(f"status {answer.status_code}")
                return ""
            if stop == 0:
                return ""
            async for line in answer.aiter_lines():
                if not line.startswith("data: {"):
                    continue
                text = json.loads(line[6:])["choices"][0]["delta"].get("content")
                if not text:
                    continue
                if not count:
                    self.first_words.append(time.monotonic() - began)
                heard, count = heard + text, count + 1
                if count == stop:
                    break
        if "Sorry" in heard:
            self.failed.append(heard)
        return heard.strip()


def resident(pid: int) -> float:
    """Return the memory of a process in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def processor_seconds(pid: int) -> float:
    """Return how long a process has used a processor, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def watch_memory(server: Process, seconds: float) -> list[float]:
    sizes: list[float] = []
    for _ in range(6):
        await asyncio.sleep(seconds / 6)
        sizes.append(resident(server.process.pid))
    return sizes


async def check_whole(database_url: str, callers: list[Caller]) -> None:
    """Every window is well-formed and ends with exactly what its caller said and heard."""
    async with open_resources(
        database_url, model=ScriptedChatModel([]), settings=load_settings()
    ) as resources:
        graph = build_graph(resources)
        for caller in callers:
            state = await graph.aget_state({"configurable": {"thread_id": caller.thread}})
            window: Any = state.values["messages"]
            assert state.next == (), "a turn was left in the middle"
            assert not validate_messages(convert_to_openai_messages(window))
            said = [m.text for m in window if m.type == "human"]
            told = [m["content"] for m in caller.history if m["role"] == "user"]
            # The last turn may have been dropped: nothing has told the server so.
            assert said[-3:] == told[-3:] or said[-4:-1] == told[-3:], (said[-4:], told[-4:])
            assert len(set(said)) == len(said), "words of a caller are there twice"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Process, int]]:
    """Serve over a paced model that costs next to nothing, in a process of its own, whose id comes along."""
    with (
        ForkedPython(["-m", "benchmarks.mock_model"], cwd=TESTS) as mock,
        serving(tmp_path, f"http://127.0.0.1:{mock.stdout.readline().strip()}/v1") as server,
    ):
        yield server, mock.pid


@pytest.mark.parametrize(
    ("callers", "seconds", "tokens", "pause"),
    [(10, 3.0, 10, 0.1), pytest.param(100, 60.0, 60, 3.0, marks=pytest.mark.soak)],
)
async def test_many_callers_at_once_lose_nothing(
    served: tuple[Process, int], callers: int, seconds: float, tokens: int, pause: float
) -> None:
    server, model = served
    processes = {"server": server.process.pid, "model": model, "callers": os.getpid()}
    before = {name: processor_seconds(pid) for name, pid in processes.items()}
    people = [Caller(number, random.Random(number)) for number in range(callers)]
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=server.url, limits=limits, timeout=PATIENCE) as client:
        memory = asyncio.create_task(watch_memory(server, seconds))
        until = time.monotonic() + seconds
        await asyncio.gather(*(caller.talk(client, tokens, pause, until) for caller in people))
        sizes = await memory
        async with asyncio.timeout(PATIENCE):  # The last ones are being stored.
            while "voicegraph_running_turns 0.0" not in (await client.get("/metrics")).text:
                pass
    used = {name: processor_seconds(pid) - before[name] for name, pid in processes.items()}
    assert await asyncio.to_thread(server.terminate) == 0
    await check_whole(server.database_url, people)
    firsts = sorted(first for caller in people for first in caller.first_words)
    turns, median, late = len(firsts), firsts[len(firsts) // 2], firsts[int(len(firsts) * 0.95)]
    print(f"\n{turns} turns of {callers} callers; first word: median {median:.3f} s, 95th {late:.3f} s")
    shares = ", ".join(f"{name} {1000 * seconds / turns:.1f} ms" for name, seconds in used.items())
    print(f"processor time a turn of {tokens} tokens at most: {shares}")
    print("memory of the server over time, MB:", *(f"{size:.0f}" for size in sizes))
    assert [failure for caller in people for failure in caller.failed] == []
