"""Consolidations to be killed. Started once, it forks one process a line: `DATABASE_URL WHEN NUMBER`.

Each consolidates what is due of the default agent, and kills itself `before` or `after` the commit of this
number.
"""

import asyncio
import os
import sys

from sweeps.killing_commits import kill_at
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
