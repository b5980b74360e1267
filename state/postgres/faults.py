"""Translate errors of PostgreSQL's driver where it is used without SQLAlchemy."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

import psycopg
from psycopg_pool import PoolTimeout

from ..database.sqlstates import postgres_error
from ..errors import DatabaseBusy, StorageError


@contextmanager
def postgres_faults(shown: str, failed: Callable[[StorageError], object] = lambda _: None) -> Generator[None]:
    """Turn errors of the driver and its pool into `StorageError`, and call `failed` with each.

    `shown` names the database. A value that the database rejects is not a failure of the database.
    """
    try:
        yield
    except PoolTimeout as error:
        busy = DatabaseBusy(
            f"database {shown}: all connections are in use, or it cannot be reached; try again"
        )
        failed(busy)
        raise busy from error
    except psycopg.Error as error:
        mapped = postgres_error(shown, error)
        mapped = mapped or StorageError(f"database {shown}: {type(error).__name__}")
        if not isinstance(error, psycopg.DataError):
            failed(mapped)
        raise mapped from error
