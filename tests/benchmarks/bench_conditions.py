"""How long a caller waits when a provider is slow now and then, and how fast a reply stops.

Each prints its figures; what is asserted are counts, never times.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from openai_server import OpenAIServer, Reply, text

from voicegraph.graph import build_graph, interrupt, stream_turn
from voicegraph.nodes import TurnFinished

TURNS = 400
AT_ONCE = 16


@contextmanager
def slow_now_and_then(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Serve in a process of its own; one reply in ten takes three seconds to its first token."""
    replies = [
        {"text": "Here I am.", "first_token_delay": 3.0 if number % 10 == 7 else 0.05}
        for number in range(2 * TURNS)
    ]
    script, log = tmp_path / "script.json", tmp_path / "requests.jsonl"
    script.write_text(json.dumps({"replies": replies}))
    command = [
        sys.executable,
        "-m",
        "openai_server",
        "--port",
        "0",
        "--script",
        str(script),
        "--requests",
        str(log),
    ]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1] / "support"
    )
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1", log
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("hedge_after", [None, 0.3])
async def test_hedging(hedge_after: float | None, open_voice: Any, monkeypatch: Any, tmp_path: Path) -> None:
    waits: list[float] = []
    with slow_now_and_then(tmp_path) as (url, log):
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        async with open_voice("openai:test", hedge_after=hedge_after) as resources:
            graph = build_graph(resources)
            gate = asyncio.Semaphore(AT_ONCE)

            async def one(number: int) -> None:
                async with gate:
                    call: Any = {"configurable": {"thread_id": f"call-{number}"}}
                    async for event in stream_turn(graph, "Hello?", call):
                        if isinstance(event, TurnFinished) and event.first_speech_seconds is not None:
                            waits.append(event.first_speech_seconds)

            await asyncio.gather(*(one(number) for number in range(TURNS)))
        requests = sum('"request"' in line for line in log.read_text().splitlines())
    waits.sort()
    print(
        f"\nhedge_after={hedge_after}: {len(waits)} turns, first word median {median(waits):.3f} s, "
        f"p99 {waits[int(len(waits) * 0.99) - 1]:.3f} s, {requests / TURNS - 1:.1%} extra requests"
    )
    assert len(waits) == TURNS
    assert requests < TURNS * 1.15


async def test_interrupting(open_voice: Any, monkeypatch: Any) -> None:
    def endless(body: dict[str, Any]) -> Reply:
        return text(" ".join(["word"] * 500), token_delay=0.02)

    times: list[float] = []
    closed: list[float] = []
    with OpenAIServer(default=endless) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        async with open_voice("openai:test") as resources:
            graph = build_graph(resources)
            for number in range(50):
                call: Any = {"configurable": {"thread_id": f"call-{number}"}}
                stream = stream_turn(graph, "Go on.", call)
                for _ in range(5):
                    await anext(stream)
                before = time.monotonic()
                await interrupt(graph, f"call-{number}")
                times.append(time.monotonic() - before)
                recorded = await server.async_wait_closed(number)
                closed.append((recorded.closed_at or 0) - before)
    print(
        f"\ninterrupt() to the end of the run: median {median(times) * 1000:.1f} ms, "
        f"worst {max(times) * 1000:.1f} ms; "
        f"to the closed connection: median {median(closed) * 1000:.1f} ms, worst {max(closed) * 1000:.1f} ms"
    )
    assert len(times) == 50
