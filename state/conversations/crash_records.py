"""Turns that a process left when it died are put into the record from the journal."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial

from ..agents.thread_keys import thread_name
from ..database.database import Database
from ..database.uninterrupted import unbroken
from ..sqlite.process_lock import ProcessLock
from .journaled_turn import JournaledTurn
from .turn_journal import TurnJournal

log = logging.getLogger(__name__)


GoingOn = Callable[[Sequence[JournaledTurn]], Awaitable[Collection[JournaledTurn]]]
"""Returns which of some turns have a process that runs them."""


async def record_left(journal: TurnJournal, going_on: GoingOn) -> int:
    """Put the words of all turns that do not go on into the record; return how many it was.

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
                "a turn was cut off by a crash: its words are in the record now",
                extra={"thread_id": thread_name(turn.thread_id)},
            )
    return recorded


async def record_dead(database: Database) -> None:
    """Put what processes that died left into the record, for those who only look. Raises `StorageError`."""
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
    """Return the turns whose threads a process has on PostgreSQL."""
    from ..postgres.leases import ALL_HELD, key_of

    @unbroken
    async def look() -> set[int]:
        return await database.read(lambda connection: set(connection.exec_driver_sql(ALL_HELD).scalars()))

    held = await look()
    return [turn for turn in turns if key_of(turn.thread_id) in held]
