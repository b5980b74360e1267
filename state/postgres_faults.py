"""Errors of PostgreSQL's driver as ours, where it is used without SQLAlchemy."""

from collections.abc import Generator
from contextlib import contextmanager

import psycopg
from psycopg_pool import PoolTimeout

from .errors import DatabaseBusy, StorageError
from .postgres_errors import postgres_error


@contextmanager
def postgres_faults(shown: str) -> Generator[None]:
    """Turn errors of the driver and its pool into `StorageError`; `shown` names the database."""
    try:
        yield
    except PoolTimeout as error:
        raise DatabaseBusy(
            f"database {shown}: all connections are in use, or it cannot be reached; try again"
        ) from error
    except psycopg.Error as error:
        mapped = postgres_error(shown, error)
        raise mapped or StorageError(f"database {shown}: {type(error).__name__}") from error
