"""Consolidations to be killed. Started once, it forks one process a line: `DATABASE_URL WHEN NUMBER`.

Each consolidates what is due of the default agent, and kills itself `before` or `after` the commit of this
number.
"""

from sweeps.forking import fork_for_each_line
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


async def consolidate(url: str, when: str, number: str) -> None:
    """Consolidate what is due, and say when that is done."""
    kill_at(when, int(number))
    settings = Settings(consolidate_after=3600, memory_model="memory")
    async with open_resources(url, model=ScriptedChatModel([]), settings=settings) as resources:
        resources.models.add("memory", ScriptedChatModel([KEEP]))
        agent = await resources.store.agents.get(Actor(), "default")
        await resources.consolidator.consolidate(Actor(), agent.id)
    print("ended", flush=True)


if __name__ == "__main__":
    fork_for_each_line(consolidate)
