"""Translate database errors into one-line messages that say what to do."""

import sqlite3
from collections.abc import Callable, Generator
from contextlib import contextmanager

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnection

from ..errors import DatabaseBusy, StorageError
from .sqlstates import postgres_error

_WRITABLE = "make the file and its folder writable, or choose another file"
_UPGRADE = "bring its tables up to date: voicegraph db upgrade"
# A part of the driver's message, what to do about it, and the reason that any client may see.
_MEANINGS = (
    (
        "not a database",
        "it is damaged or something else: restore a copy or choose another file",
        "the database is damaged",
    ),
    ("malformed", "it is damaged: restore a copy or choose another file", "the database is damaged"),
    ("locked", "another process is writing to it: try again", "another process is writing to the database"),
    ("readonly", _WRITABLE, "the database cannot be written"),
    ("unable to open", _WRITABLE, "the database cannot be opened"),
    ("permission denied", _WRITABLE, "the database cannot be opened"),
    ("full", "free some space on the disk", "the disk is full"),
    (
        "disk i/o error",
        "check the disk, its free space and any limit on file sizes",
        "the disk cannot be written",
    ),
    ("no such table", _UPGRADE, "the tables of the database are not up to date"),
    ("no such column", _UPGRADE, "the tables of the database are not up to date"),
)
_OTHER = ("", "check it and try again", StorageError.public)


def storage_error(shown: str, error: BaseException) -> StorageError:
    """Return the one-line error for a failure of the database shown as `shown`.

    Only the driver's own message is used: SQLAlchemy's holds the statement's values, which may be a caller's
    words.
    """
    if isinstance(error, NoConnection):
        return DatabaseBusy(f"database {shown}: all connections are in use; try again")
    cause: BaseException = error
    if isinstance(error, DBAPIError) and error.orig is not None:
        cause = error.orig
    if (mapped := postgres_error(shown, cause)) is not None:
        return mapped
    known = isinstance(cause, sqlite3.Error | OSError) or cause is not error
    # The text of an OSError repeats the path, so only its reason is used.
    words = (cause.strerror if isinstance(cause, OSError) else None) or str(cause)
    reason = " ".join(words.split())[:200] if known else type(cause).__name__
    sign, remedy, public = next((each for each in _MEANINGS if each[0] in reason.lower()), _OTHER)
    mapped = StorageError(f"database {shown}: {reason}; {remedy}")
    mapped.public, mapped.retryable = public, sign == "locked"
    return mapped


@contextmanager
def storage_faults(
    shown: str, failed: Callable[[StorageError], object] = lambda _: None
) -> Generator[None, None, None]:
    """Turn errors of SQLAlchemy and its drivers into `StorageError`, and call `failed` with each.

    `IntegrityError` passes through: the repository that caused it knows what it means. A value that the
    database rejects is not a failure of the database.
    """
    try:
        yield
    except IntegrityError:
        raise
    except (SQLAlchemyError, sqlite3.Error) as error:
        mapped = storage_error(shown, error)
        if not isinstance(error, DataError | sqlite3.DataError):
            failed(mapped)
        raise mapped from error
