"""What the errors of PostgreSQL's driver mean, where it is used without SQLAlchemy."""

from collections.abc import Generator
from contextlib import contextmanager

import psycopg
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from .errors import StorageError


@contextmanager
def postgres_faults(shown: str) -> Generator[None]:
    """Turn errors of the driver and its pool into `StorageError`, for the database that is shown as `shown`.

    `retryable` is true when the server is away, or all connections are in use: the same may work soon.
    """
    try:
        yield
    except psycopg.Error as error:
        raise _storage_error(shown, error) from error


def _storage_error(shown: str, error: psycopg.Error) -> StorageError:
    if isinstance(error, PoolTimeout | TooManyRequests):
        reason = "all connections are in use, or the server cannot be reached"
    else:
        # Only the first line: the others may hold the values of a row.
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
    mapped = StorageError(f"database {shown}: {reason}; try again")
    mapped.retryable = isinstance(
        error, psycopg.OperationalError | psycopg.InterfaceError
    ) and not isinstance(error, PoolClosed)
    return mapped
