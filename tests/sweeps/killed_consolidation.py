"""Consolidations to be killed. Started once, it forks one process a line: `DATABASE_URL WHEN NUMBER`.

Each consolidates what is due of the default agent, and kills itself `before` or `after` the commit of this
number.
"""

import asyncio
import os
import signal
import sys
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.pool import Pool

from voicegraph.graph import Settings, open_resources
from voicegraph.nodes.testing import ScriptedCall, ScriptedChatModel, ScriptedReply
from voicegraph.state import Actor

FACTS = '{"chunks": [{"text": "Ada has a cat.", "context": "Told."}]}'
KEEP = ScriptedReply(
    calls=[
        ScriptedCall(name="store_memories", arguments=FACTS),
        ScriptedCall(name="rethink_memory", arguments='{"label": "human", "value": "Ada, who has a cat."}'),
        ScriptedCall(name="finish", arguments="{}"),
    ]
)


def kill_at(when: str, number: int) -> None:
    """Let this process die before or after its commit of this number."""
    commits = 0

    def count(_: Any) -> None:
        nonlocal commits
        commits += 1
        print("commits", flush=True)
        if when == "before" and commits == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def look(*_: Any) -> None:
        if when == "after" and commits == number:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "commit", count)
    event.listen(Pool, "checkin", look)


async def consolidate(url: str) -> None:
    """Consolidate what is due, and tell when that is done."""
    settings = Settings(consolidate_after=3600, memory_model="memory")
    async with open_resources(url, model=ScriptedChatModel([]), settings=settings) as resources:
        resources.models.add("memory", ScriptedChatModel([KEEP]))
        agent = await resources.store.agents.get(Actor(), "default")
        await resources.consolidator.consolidate(Actor(), agent.id)
    print("ended", flush=True)


def main() -> None:
    """Fork a process for each line."""
    for line in sys.stdin:
        url, when, number = line.split()
        pid = os.fork()
        if pid == 0:
            kill_at(when, int(number))
            asyncio.run(consolidate(url))
            os._exit(0)
        os.waitpid(pid, 0)
        print(f"gone {pid}", flush=True)


if __name__ == "__main__":
    main()
