"""Forget a user, an agent or a thread: every row, index entry and checkpoint, with a proof.

SQLite overwrites what is deleted, by forgetting as well as by pruning before it, and its logs are emptied:
no byte of the words stays in the files. PostgreSQL hides deleted rows from every query at once. Their bytes
stay in its tables until `VACUUM`, usually autovacuum's, frees the space and new rows take it (`VACUUM FULL`
writes a table anew), and in its write-ahead log, replicas and backups as long as these are kept.
"""

from dataclasses import dataclass

from ..agents.actors import Actor
from ..checkpoints.checkpointer import Checkpointer
from ..store import Store
from .traces import Trace, Traces

INDEX = "search index"
"""Stands among the tables for the entries of the search index."""
LOG = "log of the database file"
"""Stands among the tables for the pages of SQLite's log that could not be written back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What was forgotten, and how many rows of each table held anything of it, before and after.

    Counted in each table of the database are the rows with the id of a forgotten thread, agent, block or
    passage, and those of a forgotten user. In voicegraph's own tables they are found by indexes, so the work
    grows with what is forgotten and not with what others have; only the file of SQLite's search index is
    written anew as a whole. Of any other table all columns are compared, since nobody knows which of them
    hold ids. Not looked into are other schemas of PostgreSQL, columns of JSON, bytes and arrays in its other
    tables, and copies of words without an id.

    `INDEX` counts entries of the search index: before those of the forgotten messages and passages, after
    those that are left without one. `LOG` counts pages of SQLite's log, where deleted words would stay.
    """

    trace: Trace
    before: dict[str, int]
    left: dict[str, int]

    @property
    def complete(self) -> bool:
        """True when nothing is left anywhere."""
        return not any(self.left.values())


async def forget_user(store: Store, saver: Checkpointer, actor: Actor) -> Forgotten:
    """Forget the user with all agents, conversations and memory; raises `NotFound` for an unknown one."""
    return await _forget(store, saver, await Traces(store.database).of_user(actor))


async def forget_agent(store: Store, saver: Checkpointer, actor: Actor, name_or_id: str) -> Forgotten:
    """Forget the agent with its conversations and memory; raises `AgentNotFound`.

    Blocks that other agents hold too stay with these.
    """
    return await _forget(store, saver, await Traces(store.database).of_agent(actor, name_or_id))


async def forget_thread(store: Store, saver: Checkpointer, actor: Actor, thread_id: str) -> Forgotten:
    """Forget a conversation; raises `ThreadNotFound`.

    What the agent noted of it in its blocks and passages stays: those have histories of their own.
    """
    return await _forget(store, saver, await Traces(store.database).of_thread(actor, thread_id))


async def _forget(store: Store, saver: Checkpointer, trace: Trace) -> Forgotten:
    numbers = await store.index.numbers_of(trace.thread_keys, trace.passages)
    before = {
        **await _count(store, saver, trace),
        INDEX: await store.index.count_entries(numbers),
    }
    # Checkpoints first: a new thread with the id of an old one must never find its words. Whoever dies in
    # between can begin again, as long as the rows are there.
    await saver.erase(trace.thread_keys)
    match trace.what:
        case "user":
            await store.actors.delete(trace.actor)
        case "agent":
            await store.agents.delete(trace.actor, trace.name)
        case "thread":
            await store.threads.delete(trace.actor, trace.name)
    indexed = await store.recall.erase_deleted(numbers)
    left = {**await _count(store, saver, trace), INDEX: indexed, LOG: await store.database.empty_log()}
    return Forgotten(trace=trace, before={**before, LOG: 0}, left=left)


async def _count(store: Store, saver: Checkpointer, trace: Trace) -> dict[str, int]:
    counts = await Traces(store.database).left(trace.actor, trace)
    for table, rows in (await saver.count(trace.thread_keys)).items():
        # The database itself may have a table of that name too: on PostgreSQL it is the same one.
        counts[table] = max(rows, counts.get(table, 0))
    return counts
