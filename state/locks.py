"""The locks of a database that several processes share, without importing its driver where it is not used."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from .location import Location

if TYPE_CHECKING:
    from .leases import Leases


@asynccontextmanager
async def locks_of(location: Location) -> "AsyncGenerator[Leases | None]":
    """Give the leases of PostgreSQL, open during the body; `None` for SQLite. Raises `StorageError`."""
    if location.sqlite:
        yield None
        return
    from .leases import Leases

    leases = Leases(location)
    try:
        await leases.open()
        yield leases
    finally:
        await leases.close()
