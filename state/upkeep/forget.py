"""Erase a user, an agent or a thread: every row, index entry and checkpoint, with proof.

SQLite overwrites everything that erasing and earlier pruning delete, and its logs are truncated: no byte of
the text stays in the files. PostgreSQL hides deleted rows from every query at once. Their bytes stay in its
tables until `VACUUM`, usually autovacuum's, frees the space and new rows reuse it (`VACUUM FULL` rewrites a
table), and in its write-ahead log, replicas and backups for as long as these are kept.
"""

from dataclasses import dataclass

from ..agents.actors import Actor
from ..checkpoints.checkpointer import Checkpointer
from ..store import Store
from .erasure_subject import ErasureSubject, ErasureSubjects

INDEX = "search index"
"""Listed among the tables for the entries of the search index."""
LOG = "log of the database file"
"""Listed among the tables for the pages of SQLite's log that could not be written back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What was erased, and the number of rows of each table that contained any of it, before and after.

    In each table of the database, this counts the rows with the id of an erased thread, agent, block or
    passage, and those of an erased user. In voicegraph's own tables they are found by indexes, so the work
    grows with the erased data only; just the file of SQLite's search index is rewritten as a whole. In any
    other table all columns are compared, because it is unknown which of them contain ids. Not searched are
    other schemas of PostgreSQL, columns of JSON, bytes and arrays in its other tables, and copies of text
    without an id.

    `INDEX` counts entries of the search index: before, those of the erased messages and passages; after,
    those left without one. `LOG` counts pages of SQLite's log, where deleted text would stay.
    """

    subject: ErasureSubject
    before: dict[str, int]
    left: dict[str, int]

    @property
    def complete(self) -> bool:
        """True if nothing is left anywhere."""
        return not any(self.left.values())


async def forget_user(store: Store, saver: Checkpointer, actor: Actor) -> Forgotten:
    """Erase the user with all agents, conversations and memory. Raises `NotFound`."""
    return await _forget(store, saver, await ErasureSubjects(store.database).of_user(actor))


async def forget_agent(store: Store, saver: Checkpointer, actor: Actor, name_or_id: str) -> Forgotten:
    """Erase the agent with its conversations and memory. Raises `AgentNotFound`.

    Blocks that other agents have too are kept.
    """
    return await _forget(store, saver, await ErasureSubjects(store.database).of_agent(actor, name_or_id))


async def forget_thread(store: Store, saver: Checkpointer, actor: Actor, thread_id: str) -> Forgotten:
    """Erase a conversation. Raises `ThreadNotFound`.

    What the agent noted about it in its blocks and passages is kept: those have histories of their own.
    """
    return await _forget(store, saver, await ErasureSubjects(store.database).of_thread(actor, thread_id))


async def _forget(store: Store, saver: Checkpointer, subject: ErasureSubject) -> Forgotten:
    numbers = await store.index.numbers_of(subject.thread_keys, subject.passages)
    before = {
        **await _count(store, saver, subject),
        INDEX: await store.index.count_entries(numbers),
    }
    # Checkpoints first: a new thread with the same id must never find the old text. After a crash in between,
    # erasing can be repeated as long as the rows exist.
    await saver.erase(subject.thread_keys)
    match subject.what:
        case "user":
            await store.actors.delete(subject.actor)
        case "agent":
            await store.agents.delete(subject.actor, subject.name)
        case "thread":
            await store.threads.delete(subject.actor, subject.name)
    indexed = await store.recall.erase_deleted(numbers)
    left = {**await _count(store, saver, subject), INDEX: indexed, LOG: await store.database.truncate_log()}
    return Forgotten(subject=subject, before={**before, LOG: 0}, left=left)


async def _count(store: Store, saver: Checkpointer, subject: ErasureSubject) -> dict[str, int]:
    counts = await ErasureSubjects(store.database).left(subject.actor, subject)
    for table, rows in (await saver.count(subject.thread_keys)).items():
        # The database itself may have a table of that name too; on PostgreSQL it is the same one.
        counts[table] = max(rows, counts.get(table, 0))
    return counts
