"""SQLite's pragmas and transactions, and the check of a file before it is used."""

import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.pool import ConnectionPoolEntry

from ..database.faults import storage_error
from ..errors import StorageError
from .private_files import make_file, make_folders

BUSY_SECONDS = 5.0
"""Maximum seconds that a connection waits for another one's transaction."""

PAGE_BYTES = 1024
"""Page size of new files: each transaction rewrites whole pages in which little has changed."""

BEGIN = "sqlite_begin"
"""Execution option: the statements that begin a transaction, by default `("BEGIN",)`."""

WRITE = ("BEGIN IMMEDIATE",)
"""Takes the write lock at once: a transaction that reads first and writes later fails without waiting."""

MIGRATE = ("PRAGMA foreign_keys=OFF", *WRITE)
"""Rebuilding a table drops the old one, which would delete referring rows by cascade."""

_PRAGMAS = (
    f"PRAGMA busy_timeout={int(BUSY_SECONDS * 1000)}",
    "PRAGMA synchronous=NORMAL",
    "PRAGMA foreign_keys=ON",
    # Overwrites deleted data with zeros: otherwise it would stay in the file until its page is reused.
    "PRAGMA secure_delete=ON",
)


def set_up(engine: Engine) -> None:
    """Make an engine set the pragmas on each connection and begin its transactions itself.

    Python's driver would begin them late, and never before a SELECT; `isolation_level` None disables that.
    """
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin)


def is_damaged(error: StorageError) -> bool:
    """Return whether the error means that the file is damaged or not a database."""
    code = getattr(error.__cause__, "sqlite_errorcode", 0)
    return code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def truncate_log(connection: sqlite3.Connection) -> int:
    """Move the write-ahead log into the database file and truncate it; return the number of pages left in it.

    The result is 0, unless another connection reads an older snapshot for longer than this one waits.
    """
    is_busy, pages, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return max(pages, 1) if is_busy else 0


def _set_pragmas(connection: Any, entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    try:
        for pragma in _PRAGMAS:
            cursor.execute(pragma)
        cursor.close()
    except BaseException:
        # The pool forgets a connection that fails here; without this its thread would stay.
        connection.close()
        raise


def _begin(connection: Connection) -> None:
    for statement in connection.get_execution_options().get(BEGIN, ("BEGIN",)):
        connection.exec_driver_sql(statement)


def prepare_file(path: Path) -> str | None:
    """Create `path` and its folder, set its journal to WAL, and return the revision of its schema.

    Raises `StorageError` if it cannot be opened or written, and for files of other programs, which are left
    unchanged.
    """
    missing = [folder for folder in path.parents if not _exists(folder)]
    try:
        if path.is_dir():
            raise StorageError(f"database {path} is a folder: name a file in it, such as {path / 'voice.db'}")
        make_folders(path.parent)
        make_file(path)
        with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
            return _examine(connection, path)
    except (OSError, sqlite3.Error) as error:
        for folder in missing:
            with suppress(OSError):  # not empty, or never made
                folder.rmdir()
        raise storage_error(str(path), error) from error


def _exists(folder: Path) -> bool:
    try:
        return folder.exists()
    except OSError:
        return True


def _examine(connection: sqlite3.Connection, path: Path) -> str | None:
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if tables and "alembic_version" not in tables:
        raise StorageError(f"database {path} belongs to another program: choose another file")
    if not tables:
        connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
    use_wal(connection)
    connection.execute("BEGIN IMMEDIATE")
    try:
        # A missing write permission is found now, not in the middle of a call; BEGIN alone accepts a
        # read-only file.
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        connection.execute(f"PRAGMA user_version={version}")
        if "alembic_version" not in tables:
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return row[0] if row else None
    finally:
        connection.execute("ROLLBACK")


def use_wal(connection: sqlite3.Connection) -> None:
    """Set the journal to WAL, which is stored in the file.

    While another process does the same, SQLite fails with "locked" at once, whatever the busy timeout.
    """
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
        time.sleep(0.01)
