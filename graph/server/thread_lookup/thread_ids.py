"""Find the thread of a request that names one."""

import hashlib
from collections.abc import Iterator
from itertools import count

from ....state.agents.actors import Actor
from ....state.errors import InvalidInput, ThreadNotFound, ThreadTaken
from ....state.tables.names import MAX_NAME, checked_name
from ...turns.turn_graph import TurnGraph

_DIGITS = 12


async def thread_of(graph: TurnGraph, actor: Actor, agent: str, named: str) -> str:
    """Return the id of the thread that a client names, claimed for this agent of this actor.

    Clients use names of rooms and calls: another agent of the actor in the same room gets its own thread,
    always the same one. Raises `AgentNotFound`, and `InvalidInput` for an id that cannot be one.
    """
    resources = graph.resources
    own = own_name(actor, agent, checked_name("thread id", named))
    for name in (own, named):
        if resources.known.owns(actor, agent, name):
            return name
    agents = await resources.store.threads.agents_of(actor, (named, own))
    if named not in agents and agent in agents.get(own, ()):
        await resources.known.claim(actor, agent, own, is_new=False)
        return own
    for name in _names(actor, agent, named):
        try:
            looked = name in (named, own)
            await resources.known.claim(actor, agent, name, is_new=name not in agents if looked else None)
        except ThreadTaken:
            continue
        return name
    raise AssertionError("names have no end")


async def known_thread(graph: TurnGraph, actor: Actor, agent: str, named: str) -> str | None:
    """Return the id of the thread that `thread_of` would find, `None` if it would create one."""
    own = own_name(actor, agent, named)
    for name in (own, named):
        if graph.resources.known.owns(actor, agent, name):
            return name
    for name in (named, own):
        try:
            thread = await graph.resources.store.threads.get(actor, name)
        except (ThreadNotFound, InvalidInput):
            continue
        if agent in (thread.agent_name, thread.agent_id):
            return name
    return None


def own_name(actor: Actor, agent: str, named: str, again: int = 0) -> str:
    """Return the id to use if the named thread is another agent's; `again` counts ids that are taken too.

    It contains the whole name if that is short enough, otherwise its hash.
    """
    whose = [actor.organization_id, actor.user_id, agent]
    most = MAX_NAME - _DIGITS - 1
    if len(named) > most:
        whose.append(named)
    if again:
        whose.append(str(again))
    digest = hashlib.sha256("\0".join(whose).encode("utf-8", "replace")).hexdigest()
    return f"{named[:most]}~{digest[:_DIGITS]}"


def _names(actor: Actor, agent: str, named: str) -> Iterator[str]:
    """Yield the possible ids in order; the thread has the first that is free or the agent's."""
    yield named
    yield from (own_name(actor, agent, named, again) for again in count())
