"""Open the owner of a process's threads: the one that suits its database."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from ...nodes.context import Background
from ...state.sqlite.process_lock import process_lock
from ...state.store import Store
from ..settings import Settings
from .journaling import Journaling
from .known_threads import KnownThreads
from .local_owner import LocalOwner
from .owner import ThreadOwner
from .running import Threads
from .turn_storage import TurnStorage


@asynccontextmanager
async def open_owner(
    store: Store,
    threads: Threads,
    known: KnownThreads,
    storage: TurnStorage,
    background: Background,
    settings: Settings,
) -> AsyncGenerator[ThreadOwner]:
    """Give the owner of this process's threads during the body. Raises `StorageError`."""
    location = store.database.location
    if location.sqlite:
        async with process_lock(location) as lock:
            journaling = Journaling(store.journal, background, lock.token, enabled=lock.is_of_file)
            yield LocalOwner(lock, journaling, known, storage)
        return
    from ...state.postgres.leases import open_leases
    from .other_processes import OtherProcesses
    from .postgres_owner import PostgresOwner

    async with open_leases(location) as leases:
        others = OtherProcesses(leases, threads, background, settings.overlap)
        journaling = Journaling(store.journal, background)
        yield PostgresOwner(leases, others, journaling, known, storage)
