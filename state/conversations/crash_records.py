"""Add turns that a crashed process left in the journal to the stored messages (the record)."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial

from ..agents.thread_keys import thread_name
from ..database.database import Database
from ..sqlite.process_lock import ProcessLock
from .journaled_turn import JournaledTurn
from .turn_journal import TurnJournal

log = logging.getLogger(__name__)


GoingOn = Callable[[Sequence[JournaledTurn]], Awaitable[Collection[JournaledTurn]]]
"""Returns those of the given turns that a process is running."""


async def record_left(journal: TurnJournal, going_on: GoingOn) -> int:
    """Add the text of all turns that are no longer running to the record; return their number.

    Raises `StorageError`.
    """
    recorded = 0
    turns = await journal.unrecorded()
    going = {turn.thread_id for turn in (await going_on(turns) if turns else ())}
    for turn in turns:
        if turn.thread_id in going:
            continue
        if turn.is_empty:
            await journal.drop(turn.thread_id, turn.turn_id, turn.process)
        elif await journal.record(turn):
            recorded += 1
            log.warning(
                "a turn was cut off by a crash: its text is in the record now",
                extra={"thread_id": thread_name(turn.thread_id)},
            )
    return recorded


async def record_dead(database: Database) -> None:
    """Do `record_left` for turns of dead processes, for commands that only read. Raises `StorageError`."""
    journal = TurnJournal(database)
    if not database.location.sqlite:
        await record_left(journal, partial(_held, database))
        return
    if database.path is None:
        return
    lock = await asyncio.to_thread(ProcessLock, database.path, takes_part=False)

    async def alive(turns: Sequence[JournaledTurn]) -> Collection[JournaledTurn]:
        return [turn for turn in turns if lock.is_alive(turn.process)]

    try:
        await record_left(journal, alive)
    finally:
        lock.close()


async def _held(database: Database, turns: Sequence[JournaledTurn]) -> Collection[JournaledTurn]:
    """Return the turns whose threads are owned by a process (PostgreSQL)."""
    from ..postgres.leases import ALL_HELD, key_of

    held = await database.read(lambda session: set(session.connection().exec_driver_sql(ALL_HELD).scalars()))
    return [turn for turn in turns if key_of(turn.thread_id) in held]
