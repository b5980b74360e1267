"""Give a user agents, conversations and memory of each kind."""

from typing import Any

from calling import user_says

from voicegraph.graph import Resources, build_graph
from voicegraph.state import Actor


def thread_of(actor: Actor, thread_id: str, **more: str) -> Any:
    """Return the configuration of a turn."""
    whose = {"organization": actor.organization_id, "user": actor.user_id}
    return {"configurable": {"thread_id": thread_id, **whose, **more}}


async def talk(resources: Resources, actor: Actor, agent: str, thread_id: str, words: str) -> None:
    """Run a turn."""
    config = thread_of(actor, thread_id, agent=agent)
    await build_graph(resources).ainvoke(user_says(words), config)


async def live(resources: Resources, actor: Actor) -> None:
    """Give the actor two agents that share a block, with a thread each, passages and a tool run."""
    store, who = resources.store, actor.user_id
    shared = await store.blocks.create(actor, "family", f"{who} has a dog.")
    for name in ("nina", "omar"):
        agent = await store.agents.create(actor, name, blocks={"human": f"{who}-{name}-block"})
        await store.blocks.attach(actor, agent.id, shared.id)
        await store.passages.insert(actor, agent.id, f"{who}-{name}-passage")
        await talk(resources, actor, name, f"{who}-{name}-thread", f"{who}-{name}-words")
    await store.tool_runs.begin(actor, f"{who}-nina-thread", "m1", "c1", "clock")
    block = await store.blocks.by_label(actor, (await store.agents.get(actor, "nina")).id, "human")
    await store.blocks.write(actor, block.id, f"{who}-nina-newer-block")
    await store.recall.index_due()
