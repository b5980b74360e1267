"""Forget a user, an agent or a thread: every row, index entry and checkpoint, with a proof."""

import json
import sqlite3
from dataclasses import dataclass

from .actors import Actor
from .checkpoints import Checkpointer, count_checkpoints, erase_checkpoints
from .store import Store
from .traces import Trace

INDEX = "search index"
"""Stands among the tables for the entries of the search index."""

_INDEXED = """
    WITH said AS (SELECT number FROM messages WHERE thread_id IN (SELECT value FROM json_each(?))),
        kept AS (SELECT number FROM passages WHERE id IN (SELECT value FROM json_each(?)))
    SELECT (SELECT count(*) FROM recall WHERE rowid IN said)
        + (SELECT count(*) FROM recall_vectors WHERE number IN said)
        + (SELECT count(*) FROM archive WHERE rowid IN kept)
        + (SELECT count(*) FROM archive_vectors WHERE number IN kept)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What was forgotten, and how many rows of each table held anything of it, before and after."""

    trace: Trace
    before: dict[str, int]
    left: dict[str, int]

    @property
    def complete(self) -> bool:
        """True when nothing is left anywhere."""
        return not any(self.left.values())


async def forget_user(store: Store, saver: Checkpointer, actor: Actor) -> Forgotten:
    """Forget the user with all agents, conversations and memory; raises `NotFound` for an unknown one."""
    return await _forget(store, saver, await store.traces.of_user(actor))


async def forget_agent(store: Store, saver: Checkpointer, actor: Actor, name_or_id: str) -> Forgotten:
    """Forget the agent with its conversations and memory; raises `AgentNotFound`.

    Blocks that other agents hold too stay with these.
    """
    return await _forget(store, saver, await store.traces.of_agent(actor, name_or_id))


async def forget_thread(store: Store, saver: Checkpointer, actor: Actor, thread_id: str) -> Forgotten:
    """Forget a conversation; raises `ThreadNotFound`.

    What the agent noted of it in its blocks and passages stays: those have histories of their own.
    """
    return await _forget(store, saver, await store.traces.of_thread(actor, thread_id))


async def _forget(store: Store, saver: Checkpointer, trace: Trace) -> Forgotten:
    before = {**await _count(store, saver, trace), INDEX: await _indexed(store, trace)}
    # Checkpoints first: a new thread with the id of an old one must never find its words. Whoever dies in
    # between can begin again, as long as the rows are there.
    await erase_checkpoints(saver, trace.threads)
    match trace.what:
        case "user":
            await store.actors.delete(trace.actor)
        case "agent":
            await store.agents.delete(trace.actor, trace.name)
        case "thread":
            await store.threads.delete(trace.actor, trace.name)
    orphans = await store.recall.erase_deleted() if store.database.location.sqlite else 0
    await store.database.empty_log()
    return Forgotten(trace=trace, before=before, left={**await _count(store, saver, trace), INDEX: orphans})


async def _count(store: Store, saver: Checkpointer, trace: Trace) -> dict[str, int]:
    rows = await store.traces.left(trace.actor, trace)
    return {**rows, **await count_checkpoints(saver, trace.threads)}


async def _indexed(store: Store, trace: Trace) -> int:
    """Return how many entries of the search index are of messages and passages of the trace."""
    if not store.database.location.sqlite:
        return 0
    given = (json.dumps(trace.threads), json.dumps(trace.passages))

    def count(connection: sqlite3.Connection) -> int:
        return connection.execute(_INDEXED, given).fetchone()[0]

    return await store.index.reading(count)
