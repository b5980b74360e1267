"""A PostgreSQL database with a bounded pool of connections, all on the event loop."""

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from ..database.database import Database, TrialRollback
from ..database.location import Location
from ..database.uninterrupted import unbroken
from ..tables.columns import json_for_postgres, storable
from .connection import connection_arguments

T = TypeVar("T")

WAIT_SECONDS = 5.0
"""Maximum seconds to wait for a free connection before `DatabaseBusy` is raised."""

_RECYCLE_SECONDS = 1800

_TRIAL_ROW = "INSERT INTO organizations (id, created_at) VALUES (%(id)s, now())"
_TRIAL_FILE = "SELECT count(*) FROM generate_series(1, 20000)"
"""More rows than fit into `work_mem`: PostgreSQL writes them to a file of about 300 KB."""


class PostgresDatabase(Database):
    """An open PostgreSQL database; any number of processes may have it open.

    Each transaction has its own connection of the pool. One waits for another only when one of them changes a
    row that the other uses.
    """

    def __init__(self, url: str, location: Location, connections: int, *, wait: float = WAIT_SECONDS) -> None:
        """Create a pool of at most `connections` connections, which are opened on demand.

        If none is free within `wait` seconds, `DatabaseBusy` is raised.
        """
        super().__init__(url, location)
        self.engine: AsyncEngine = create_async_engine(
            location.engine_url,
            pool_size=connections,
            max_overflow=0,
            pool_timeout=wait,
            pool_recycle=_RECYCLE_SECONDS,
            # The server may have been restarted since a connection was last used.
            pool_pre_ping=True,
            connect_args=connection_arguments(location.engine_url),
            json_serializer=json_for_postgres,
            use_native_hstore=False,
            hide_parameters=True,
        )
        # All statements of a transaction see the same snapshot.
        self._reader = self.engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )

    @unbroken
    async def read(self, function: Callable[[Session], T]) -> T:
        """Call `function` on the event loop, see `Database`."""
        return await self._call(self._reader, function)

    @unbroken
    async def write(self, function: Callable[[Session], T]) -> T:
        """Call `function` on the event loop, see `Database`. Deleted rows are removed by a later vacuum."""
        return await self._call(self.engine, function)

    async def try_write(self) -> None:
        """Write a row and a temporary file, then roll back, see `Database`."""

        def attempt(session: Session) -> None:
            connection = session.connection()
            connection.exec_driver_sql(_TRIAL_ROW, {"id": uuid4().hex})
            # The row nearly always fits into a page that is already on disk.
            connection.exec_driver_sql("SET LOCAL work_mem = '64kB'")
            connection.exec_driver_sql(_TRIAL_FILE)
            raise TrialRollback

        with suppress(TrialRollback):
            await self.write(attempt)

    def storable_text(self, text: str) -> str:
        """Return `text` as it will be read back."""
        return storable(text)

    async def truncate_log(self) -> int:
        """Do nothing: PostgreSQL manages its own log."""
        return 0

    @unbroken
    async def close(self) -> None:
        """Close all connections; closing again does nothing."""
        await self.engine.dispose()

    async def _call(self, engine: AsyncEngine, function: Callable[[Session], T]) -> T:
        def in_transaction(session: Session) -> T:
            with session.begin():
                return function(session)

        self.opened_in.check()
        with self.faults():
            async with AsyncSession(engine, expire_on_commit=False) as session:
                return await session.run_sync(in_transaction)
