"""Delete and forget while serving: end running turns first, and drop what this process has cached."""

from collections.abc import Iterable

from ....state.agents.actors import Actor
from ....state.agents.thread_keys import thread_key
from ....state.upkeep.erasure_subject import ErasureSubjects, What
from ....state.upkeep.forget import Forgotten, forget_agent, forget_thread, forget_user
from ...turns.run import interrupt, is_running
from ...turns.turn_graph import TurnGraph


async def delete_thread_now(graph: TurnGraph, actor: Actor, thread_id: str) -> None:
    """End the thread's turn and delete the thread. Raises `ThreadNotFound`."""
    resources = graph.resources
    await resources.store.threads.get(actor, thread_id)
    key = thread_key(actor, thread_id)
    await _end_turns(graph, actor, [thread_id])
    # First, so that a new thread with this id never finds the old messages.
    await resources.checkpointer.erase([key])
    await resources.store.threads.delete(actor, thread_id)
    resources.known.forget(key)
    resources.indexing.wake()


async def delete_agent_now(graph: TurnGraph, actor: Actor, name_or_id: str) -> str:
    """End the agent's turns, delete it with everything it owns and return its id. Raises `AgentNotFound`."""
    resources = graph.resources
    subject = await ErasureSubjects(resources.store.database).of_agent(actor, name_or_id)
    await _end_turns(graph, actor, subject.threads)
    await resources.checkpointer.erase(subject.thread_keys)
    await resources.store.agents.delete(actor, subject.name)
    for key in subject.thread_keys:
        resources.known.forget(key)
    resources.indexing.wake()
    return subject.name


async def forget_now(graph: TurnGraph, actor: Actor, what: What, name: str) -> Forgotten:
    """End the turns of the user, agent or thread, forget it, and return the proof. Raises `NotFound`.

    The only user that can be forgotten is the actor; `name` is then ignored.
    """
    resources = graph.resources
    store, saver = resources.store, resources.checkpointer
    match what:
        case "user":
            await _end_turns(graph, actor, (await ErasureSubjects(store.database).of_user(actor)).threads)
            forgotten = await forget_user(store, saver, actor)
        case "agent":
            await _end_turns(
                graph, actor, (await ErasureSubjects(store.database).of_agent(actor, name)).threads
            )
            forgotten = await forget_agent(store, saver, actor, name)
        case "thread":
            await _end_turns(
                graph, actor, (await ErasureSubjects(store.database).of_thread(actor, name)).threads
            )
            forgotten = await forget_thread(store, saver, actor, name)
    for key in forgotten.subject.thread_keys:
        resources.known.forget(key)
    return forgotten


async def _end_turns(graph: TurnGraph, actor: Actor, thread_ids: Iterable[str]) -> None:
    """Stop these threads' turns in all processes and wait for their end: they would store messages again."""
    for thread_id in thread_ids:
        while await is_running(graph, thread_id, actor=actor):
            await interrupt(graph, thread_id, actor=actor)
