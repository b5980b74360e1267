"""Which thread a request belongs to that names one."""

import hashlib

from ...state.actors import Actor
from ...state.errors import InvalidInput, ThreadNotFound, ThreadTaken
from ..turn_graph import TurnGraph


async def thread_of(graph: TurnGraph, actor: Actor, agent: str, named: str) -> str:
    """Return the id of the thread that a client names, which is this agent's of this actor from now on.

    Rooms and calls are named by clients: another agent in the same room, or somebody else's call of the same
    name, gets a thread of its own, always the same one. Raises `AgentNotFound`, and `InvalidInput` for an id
    that cannot be one.
    """
    resources = graph.resources
    own = own_name(actor, agent, named)
    if resources.owns(actor, agent, own):
        return own
    try:
        await resources.claim(actor, agent, named)
    except ThreadTaken:
        await resources.claim(actor, agent, own)
        return own
    return named


async def known_thread(graph: TurnGraph, actor: Actor, agent: str, named: str) -> str | None:
    """Return the id of the thread that `thread_of` would find, `None` when it would make a new one."""
    own = own_name(actor, agent, named)
    for name in (own, named):
        if graph.resources.owns(actor, agent, name):
            return name
    for name in (named, own):
        try:
            thread = await graph.resources.store.threads.get(actor, name)
        except (ThreadNotFound, InvalidInput):
            continue
        if agent in (thread.agent_name, thread.agent_id):
            return name
    return None


def own_name(actor: Actor, agent: str, named: str) -> str:
    """Return the thread's id where the named one belongs to another agent or somebody else."""
    whose = "\0".join((actor.organization_id, actor.user_id, agent))
    return f"{named[:180]}~{hashlib.sha256(whose.encode('utf-8', 'replace')).hexdigest()[:12]}"
