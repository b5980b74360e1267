"""Turns that a process left when it died are put into the record from the journal."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from .database import Database
from .process_lock import ProcessLock
from .turn_journal import JournaledTurn, TurnJournal

log = logging.getLogger(__name__)


async def record_left(journal: TurnJournal, goes_on: Callable[[JournaledTurn], Awaitable[bool]]) -> int:
    """Put the words of all turns that do not go on into the record; return how many it was.

    Raises `StorageError`.
    """
    recorded = 0
    for turn in await journal.unrecorded():
        if await goes_on(turn):
            continue
        if turn.is_empty:
            await journal.drop(turn.thread_id, turn.turn_id, turn.process)
        elif await journal.record(turn):
            recorded += 1
            log.warning(
                "a turn was cut off by a crash: its words are in the record now",
                extra={"thread_id": turn.thread_id},
            )
    return recorded


async def record_dead(database: Database) -> None:
    """Put what processes that died left in an SQLite file into the record, for those who only look.

    On PostgreSQL the servers do that. Raises `StorageError`.
    """
    if database.path is None:
        return
    lock = await asyncio.to_thread(ProcessLock, database.path, takes_part=False)

    async def goes_on(turn: JournaledTurn) -> bool:
        return lock.is_alive(turn.process)

    try:
        await record_left(TurnJournal(database), goes_on)
    finally:
        lock.close()
