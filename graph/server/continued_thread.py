"""Find the thread that a request without a thread id goes on with, by its history."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage

from ...nodes.continuation import continued_items
from ...nodes.items import Item, our_items, their_items
from ...nodes.likeness import reworded, shared
from ...nodes.speculation import resembles, start_of_latest
from ...state.actors import Actor
from ...state.errors import AgentNotFound
from ...state.schema import ClientMessage, LatestTurn
from ..client_history import read_history
from ..threads import TurnRun
from ..turn_graph import TurnGraph

RECENT = timedelta(hours=1)
"""How long ago a thread may have been used last."""
_MOST = 8
"""Threads that are looked at; with more, callers say too much alike to tell."""


async def continued_thread(graph: TurnGraph, actor: Actor, agent: str, messages: Sequence[Any]) -> str | None:
    """Return the recent thread of this agent and actor that the history continues, `None` for none.

    Of several the one counts that holds most of it. A history that two threads hold alike continues
    neither: a new thread takes it all in.
    """
    resources = graph.resources
    history = read_history(messages).messages[-resources.settings.message_buffer_limit :]
    theirs = their_items(history)
    answered = _last_answered(theirs)
    if answered is None:
        return None
    try:
        owner = await resources.store.agents.get(actor, agent)
    except AgentNotFound:  # The default agent is made by its first turn.
        return None
    # What is said in a running turn is not stored yet, and it may end while the database is asked.
    said = {message["text"] for message in [m for m in history if m["role"] == "user"][-3:]}
    mine = [run for run in resources.threads.all() if resources.owns(actor, agent, run.thread_id)]
    running = {run.thread_id: run for run in mine if any(m["text"] in said for m in run.history)}
    for run in running.values():
        if run.kept or run.stop.requested:  # Its last checkpoint may be on its way.
            await run.done.wait()
    since = datetime.fromtimestamp(resources.clock.now(), UTC) - RECENT
    words, reply = theirs[answered - 1].text, theirs[answered]
    stored = await resources.store.messages.exchanges(actor, owner.id, words, since=since)
    found = dict.fromkeys([*running, *(name for name, text in stored if _may_be(text, reply))])
    if len(found) > _MOST:
        return None
    sizes = {name: await _size(graph, name, theirs, running.get(name)) for name in found}
    most = max(sizes.values(), default=0)
    best = [name for name, size in sizes.items() if size == most]
    return best[0] if most and len(best) == 1 else None


def _last_answered(theirs: Sequence[Item]) -> int | None:
    """Return the place of the last reply to words of the caller."""
    places = range(len(theirs) - 1, 0, -1)
    return next((j for j in places if (theirs[j - 1].role, theirs[j].role) == ("user", "assistant")), None)


def _may_be(text: str, reply: Item) -> bool:
    """Return whether a stored text may be the reply, or its beginning; nothing is known of an empty one."""
    ours = their_items([ClientMessage(role="assistant", text=text)])
    return not ours or shared(ours[0], reply, 1) is not None or reworded(ours[0], reply) is not None


async def _size(graph: TurnGraph, thread_id: str, theirs: Sequence[Item], run: TurnRun | None) -> int:
    """Return how much of the history is the thread's: 0 when it is another conversation."""
    values = (await graph.aget_state({"configurable": {"thread_id": thread_id}})).values
    window: list[AnyMessage] = values.get("messages", [])
    latest: LatestTurn | None = values.get("latest")
    begin = start_of_latest(window, latest)
    runs = run is not None and not run.done.is_set()
    if run is not None and runs:
        begin, window = len(window), _as_it_runs(window, run)
    resources = graph.resources
    settled = resources.clock.now() - resources.settings.settle_after
    may_drop = runs or (
        latest is not None and latest["started_at"] > settled and not latest.get("confirmed", False)
    )
    dropped = not runs and latest is not None and not latest["whole"]
    newest = theirs[-1].text

    def is_draft(item: Item) -> bool:
        return may_drop and item.begin >= begin and (dropped or resembles(item.text, newest))

    return continued_items(our_items(window), theirs, is_draft) or 0


def _as_it_runs(window: Sequence[AnyMessage], run: TurnRun) -> list[AnyMessage]:
    """Return the window with what the running turn answers, and what it has spoken."""
    said = [message["text"] for message in run.history if message["role"] == "user"][-1:]
    known = bool(window) and isinstance(window[-1], HumanMessage) and [str(window[-1].text)] == said
    spoken = "".join(
        str(cast(Mapping[str, Any], part)["content"])
        for part in run.parts
        if isinstance(part, Mapping) and cast(Mapping[str, Any], part).get("type") == "speech"
    )
    reply = [AIMessage(spoken, response_metadata={"finish_reason": "stop"})] if spoken else []
    return [*window, *([] if known else map(HumanMessage, said)), *reply]
