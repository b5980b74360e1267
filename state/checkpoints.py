"""Where LangGraph keeps the state of each thread between steps: its own savers, opened for our use.

The savers take configurations, the functions here the keys of threads, see `thread_keys`.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from . import sqlite_checkpoints
from .errors import StorageError
from .kept_heads import KeptHeads
from .location import Location
from .storage_health import StorageHealth

if TYPE_CHECKING:
    from .postgres_checkpoints import PostgresSaver
    from .sqlite_checkpoints import SqliteSaver

LONGEST_WRITE = 5.0
"""Seconds that a tool with side effects waits until its call is written."""

Checkpointer: TypeAlias = BaseCheckpointSaver[Any]
"""An open saver, of either database."""


def checkpoint_path(database: Path | None) -> str:
    """Return the file beside `NAME.db` (two writers on one file would block each other), or `:memory:`."""
    if database is None:
        return ":memory:"
    return str(database.with_name(f"{database.stem}.checkpoints{database.suffix or '.db'}"))


@asynccontextmanager
async def open_checkpointer(
    location: Location, *, connections: int = 10, health: StorageHealth | None = None
) -> AsyncGenerator[Checkpointer]:
    """Open the saver of a database, its tables made, and close it behind the body.

    SQLite's is a file beside the database, in memory for one in memory; PostgreSQL's are tables in it,
    reached by `connections` at most. What fails later is noted in `health`. Raises `StorageError` when it
    cannot be opened or is no database.
    """
    if location.sqlite:
        opening = sqlite_checkpoints.open_saver(checkpoint_path(location.path), health or StorageHealth())
    else:
        from . import postgres_checkpoints

        opening = postgres_checkpoints.open_saver(location, connections, health or StorageHealth())
    async with opening as saver:
        yield saver


@contextmanager
def turn_on(saver: Checkpointer, thread_id: str) -> Generator[None]:
    """Give the turn in the body what the one before left in memory, and keep what it leaves at its end."""
    heads = _heads(saver)
    whole = False
    heads.begin(thread_id)
    try:
        yield
        whole = True
    finally:
        heads.end(thread_id, whole=whole)


def write_patiently(saver: Checkpointer, thread_id: str, seconds: Callable[[], float] | None) -> None:
    """Let writes for the thread be tried again while another program has an SQLite file locked.

    `seconds` gives how long that may take now; `None` ends it.
    """
    patience = cast("SqliteSaver", saver).patience
    if seconds is None:
        patience.pop(thread_id, None)
    else:
        patience[thread_id] = seconds


async def until_written(saver: Checkpointer, thread_id: str, *, within: float | None = LONGEST_WRITE) -> None:
    """Wait until what the steps of the thread's turn gave so far is written, on SQLite.

    Raises `StorageError` when that takes longer than `within` seconds, or a write has failed.
    """
    try:
        async with asyncio.timeout(within):
            await _heads(saver).until_written(thread_id)
    except TimeoutError as error:
        raise StorageError("the step could not be written: the disk is too slow or full") from error


def _heads(saver: Checkpointer) -> KeptHeads:
    return cast("SqliteSaver | PostgresSaver", saver).heads


async def prune_checkpoints(saver: Checkpointer, thread_id: str, keep: int) -> None:
    """Delete all but the newest `keep` checkpoints of a thread, and what belongs to them.

    LangGraph's savers keep all for ever, or the newest alone. Ids are ordered by time (UUID version 6).
    """
    if isinstance(saver, AsyncSqliteSaver):
        await sqlite_checkpoints.prune(saver, thread_id, keep)
    else:
        await _postgres(saver).prune_thread(thread_id, keep)


async def try_checkpoints(saver: Checkpointer, location: Location) -> None:
    """Check that checkpoints can be written. Raises `StorageError`.

    PostgreSQL's are in the database itself, which `Database.try_write` checks.
    """
    if isinstance(saver, AsyncSqliteSaver):
        await sqlite_checkpoints.try_write(saver, checkpoint_path(location.path))


async def erase_checkpoints(saver: Checkpointer, thread_ids: Sequence[str]) -> None:
    """Delete all checkpoints of these threads; SQLite overwrites in the file what they held."""
    for thread_id in thread_ids:
        _heads(saver).drop(thread_id)
    if isinstance(saver, AsyncSqliteSaver):
        await sqlite_checkpoints.erase(saver, thread_ids)
    else:
        await _postgres(saver).erase(thread_ids)


async def count_checkpoints(saver: Checkpointer, thread_ids: Sequence[str]) -> dict[str, int]:
    """Return how many rows of each of the saver's tables belong to these threads."""
    if isinstance(saver, AsyncSqliteSaver):
        return await sqlite_checkpoints.count(saver, thread_ids)
    return await _postgres(saver).count(thread_ids)


async def checkpointed_threads(
    saver: Checkpointer, thread_id: str | None = None
) -> dict[tuple[str, str], int]:
    """Return the number of checkpoints by thread and name space, of all threads or of one."""
    if isinstance(saver, AsyncSqliteSaver):
        return await sqlite_checkpoints.threads(saver, thread_id)
    return await _postgres(saver).threads(thread_id)


def _postgres(saver: Checkpointer) -> "PostgresSaver":
    return cast("PostgresSaver", saver)
