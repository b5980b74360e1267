"""Find the thread that a request without a thread id goes on with, by its history."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from ...nodes.alignment import best_match
from ...nodes.items import Item, our_items, their_items
from ...state.actors import Actor
from ...state.errors import AgentNotFound
from ..client_history import read_history
from ..turn_graph import TurnGraph

RECENT = timedelta(hours=1)
"""How long ago a thread may have been used last."""


async def continued_thread(graph: TurnGraph, actor: Actor, agent: str, messages: Sequence[Any]) -> str | None:
    """Return the only recent thread of this agent and actor that the history continues, `None` for none.

    A history of which two threads could be the beginning continues neither: a new thread takes it all in.
    """
    resources = graph.resources
    history = read_history(messages).messages[-resources.settings.message_buffer_limit :]
    said = [message["text"] for message in history if message["role"] == "user"]
    earlier = said[-2:] if len(history) > len(said) else said[-2:-1]
    if len(history) < 2 or not earlier:
        return None
    try:
        owner = await resources.store.agents.get(actor, agent)
    except AgentNotFound:  # The default agent is made by its first turn.
        return None
    since = datetime.fromtimestamp(resources.clock.now(), UTC) - RECENT
    # Words of a running turn are not stored yet, and it may end while the database is asked.
    running = [run for run in resources.threads.all() if resources.owns(actor, agent, run.thread_id)]
    running = [run for run in running if any(message["text"] in earlier for message in run.history)]
    for run in running:
        if run.kept:  # Its reply has been heard, and its last checkpoint may be on its way.
            await run.done.wait()
    stored = await resources.store.messages.threads_with_words(actor, owner.id, earlier, since=since)
    found = {*stored, *(run.thread_id for run in running)}
    theirs = their_items(history)
    continued = [thread_id for thread_id in found if await _continues(graph, thread_id, theirs)]
    return continued[0] if len(continued) == 1 else None


async def _continues(graph: TurnGraph, thread_id: str, theirs: Sequence[Item]) -> bool:
    """Tell if the history tells all of the thread's last words, and goes on behind them."""
    state = await graph.aget_state({"configurable": {"thread_id": thread_id}})
    ours = our_items(state.values.get("messages", []))
    match = best_match(ours, theirs)
    if match is None or not match.proven:
        return False
    return not any(item.role == "user" for item in ours[match.ours + 1 :])
