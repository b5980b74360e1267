"""What the database's errors mean to whoever has to do something about them."""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnection

from .errors import DatabaseBusy, StorageError
from .postgres_errors import postgres_error

_REMEDIES = (
    ("not a database", "it is damaged or something else: restore a copy or choose another file"),
    ("malformed", "it is damaged: restore a copy or choose another file"),
    ("locked", "another process is writing to it: try again"),
    ("readonly", "make the file and its folder writable, or choose another file"),
    ("unable to open", "make the file and its folder writable, or choose another file"),
    ("permission denied", "make the file and its folder writable, or choose another file"),
    ("full", "free some space on the disk"),
    ("no such table", "bring its tables up to date: voicegraph db upgrade"),
    ("no such column", "bring its tables up to date: voicegraph db upgrade"),
)


def storage_error(shown: str, error: BaseException) -> StorageError:
    """Return the one-line error for a failure on the database that is shown as `shown`.

    Only the driver's own words are used: SQLAlchemy's text holds the values of the statement, which are a
    caller's words.
    """
    if isinstance(error, NoConnection):
        return DatabaseBusy(f"database {shown}: all connections are in use; try again")
    cause: BaseException = error
    if isinstance(error, DBAPIError) and error.orig is not None:
        cause = error.orig
    if (mapped := postgres_error(shown, cause)) is not None:
        return mapped
    known = isinstance(cause, sqlite3.Error | OSError) or cause is not error
    # An OSError's text repeats the path; its reason alone is wanted.
    words = (cause.strerror if isinstance(cause, OSError) else None) or str(cause)
    reason = " ".join(words.split())[:200] if known else type(cause).__name__
    remedy = next((remedy for sign, remedy in _REMEDIES if sign in reason.lower()), "check it and try again")
    mapped = StorageError(f"database {shown}: {reason}; {remedy}")
    mapped.retryable = "locked" in reason.lower()
    return mapped


@contextmanager
def storage_faults(shown: str) -> Generator[None, None, None]:
    """Turn errors of SQLAlchemy and its drivers into `StorageError`.

    `IntegrityError` passes: the repository that caused it knows what it means.
    """
    try:
        yield
    except IntegrityError:
        raise
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise storage_error(shown, error) from error
