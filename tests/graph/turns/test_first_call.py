"""The first call of a process, which is often its only one: what its turn needs is there before it comes."""

import os
import subprocess
import sys

from langchain_core.runnables import RunnableConfig
from openai_server import OpenAIServer, text

from voicegraph.graph import build_graph, open_resources, stream_turn
from voicegraph.nodes.turn.events import TurnFailed

FIRST_TURN = """
import asyncio, sys
from voicegraph.graph import build_graph, open_resources
from voicegraph.nodes.turn.events import TurnFailed

async def main():
    async with open_resources(sys.argv[1], model="openai:gpt-test") as resources:
        graph = build_graph(resources)
        before = set(sys.modules)
        await graph.ainvoke({"messages": [("user", "Hello?")]}, {"configurable": {"thread_id": "call-1"}})
        print(*sorted(set(sys.modules) - before))

asyncio.run(main())
"""
LARGE = {"openai", "langchain_openai", "langgraph", "sqlalchemy", "pydantic", "httpx2", "voicegraph"}


def test_the_first_turn_imports_nothing_large(database_url: str) -> None:
    with OpenAIServer(default=text("Hello.")) as server:
        environment = {**os.environ, "OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "none"}
        command = [sys.executable, "-c", FIRST_TURN, database_url]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert {name.partition(".")[0] for name in ran.stdout.split()} & LARGE == set()


async def test_a_missing_key_is_told_by_the_turn_and_not_at_opening(database_url: str) -> None:
    call: RunnableConfig = {"configurable": {"thread_id": "call-1"}}
    async with open_resources(database_url, model="openai:gpt-test") as resources:
        events = [event async for event in stream_turn(build_graph(resources), "Hello?", call)]
    last = events[-1]
    assert isinstance(last, TurnFailed)
    assert "OPENAI_API_KEY" in last.message
