"""A PostgreSQL server that is away, as far as one database of it is concerned."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg.sql import SQL, Identifier


class Outage:
    """Cuts all off from the database at `url`, and lets them in again."""

    def __init__(self, url: str) -> None:
        base, self._name = url.rsplit("/", 1)
        self._connection = psycopg.connect(f"{base}/postgres", autocommit=True)

    def begin(self) -> None:
        """Cut off all that are connected, and let nobody in."""
        self._allow(False)
        self._connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", (self._name,)
        )

    def end(self) -> None:
        """Let them in again."""
        self._allow(True)

    @contextmanager
    def lasting(self) -> Iterator[None]:
        """Be away during the body."""
        self.begin()
        try:
            yield
        finally:
            self.end()

    def close(self) -> None:
        """Let all in for good."""
        self.end()
        self._connection.close()

    def _allow(self, allowed: bool) -> None:
        query = SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS {}")
        self._connection.execute(query.format(Identifier(self._name), SQL("true" if allowed else "false")))
