"""Copy a database and show the progress."""

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.util import find_spec

from ...state.database.database import Database
from ...state.database.location import parse_location
from ...state.errors import InvalidInput, StorageError
from ...state.open import has_index, open_checkpointer, open_index
from ...state.store import Store, open_store
from ...state.upkeep.copying.copy_checkpoints import compare_checkpoints, copy_checkpoints
from ...state.upkeep.copying.copy_database import (
    Compared,
    compare_tables,
    copy_tables,
    open_source,
    refuse_other_data,
)
from ...state.upkeep.copying.copy_vectors import copy_vectors
from .terminal.output import console, write_rows

_EVERYTHING = (0, (1 << 63) - 1)
_SHOW_EVERY = 1.0


class _Progress:
    """Progress lines on stderr: at most one a second, and the last one of each table."""

    def __init__(self) -> None:
        self._console = console(errors=True)
        self._shown_at = 0.0

    def show(self, what: str, done: int, total: int | None = None) -> None:
        """Show the number of rows done."""
        now = time.monotonic()
        if done == total or now - self._shown_at >= _SHOW_EVERY:
            self._shown_at = now
            self._console.print(f"{what}: {done}" if total is None else f"{what}: {done} of {total}")


async def copy_database(source_url: str, target_url: str) -> None:
    """Copy, index and compare; raises `InvalidInput` and `StorageError`."""
    if parse_location(source_url).engine_url == parse_location(target_url).engine_url:
        raise InvalidInput("both URLs name the same database: give two different ones")
    progress = _Progress()
    async with _source(source_url) as source, _target(target_url) as target:
        database = target.database
        await refuse_other_data(source, database)
        await copy_tables(source, database, progress.show)
        async with (
            open_checkpointer(source.location) as old,
            open_checkpointer(database.location) as new,
        ):
            await copy_checkpoints(
                old, new, lambda done, total: progress.show("threads with checkpoints", done, total)
            )
            compared = [*await compare_tables(source, database), await compare_checkpoints(old, new)]
        _show(compared)
        await _index(target, progress)
        await _copy_vectors(source, target, progress)
    console(errors=False).print(f"{source.location.shown} copied to {database.location.shown}.")


def _show(compared: list[Compared]) -> None:
    rows = [
        [each.table, str(each.rows), str(each.copied), "same" if each.same else "differs"]
        for each in compared
    ]
    write_rows(["table", "rows", "copied", "checksum"], rows, nothing="")
    if wrong := [each.table for each in compared if not each.same or each.rows != each.copied]:
        raise StorageError(
            f"the copy differs in: {', '.join(wrong)}; stop its other users and run the command again"
        )


async def _index(store: Store, progress: _Progress) -> None:
    done = 0
    while some := await store.index.index_some(_EVERYTHING):
        done += some
        progress.show("messages and passages indexed", done)


async def _copy_vectors(source: Database, target: Store, progress: _Progress) -> None:
    if not has_index(source) or find_spec("numpy") is None:
        return
    index = open_index(source)
    try:
        await copy_vectors(index, target.index, lambda done: progress.show("vectors", done))
    finally:
        await index.close()


@asynccontextmanager
async def _source(url: str) -> AsyncGenerator[Database]:
    database = await open_source(url)
    try:
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def _target(url: str) -> AsyncGenerator[Store]:
    store = await open_store(url)
    try:
        yield store
    finally:
        await store.close()
