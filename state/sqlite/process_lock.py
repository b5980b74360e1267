"""Track which processes have an SQLite database open: each locks a byte of the file `NAME.db.lock`.

The kernel unlocks the byte when the process ends, even by SIGKILL. Processes see each other across containers
of one machine, but not across machines; for those use PostgreSQL.
"""

import asyncio
import os
import secrets
import threading
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from ..database.faults import storage_error
from ..database.location import Location
from ..errors import InvalidSetting, StorageError
from .file_locks import lock_bytes, unlock_bytes

_OPENING = 0
"""Locked while a process takes its byte, which makes the file one byte longer."""
_SERVER = 1
"""Locked by the process that serves the database over HTTP."""
_FIRST, _LAST = 2, 2**31 - 2
"""The range from which processes take a random byte: their token."""
_LONGEST_OPENING = 5.0


class _LockFile:
    """This process's only open handle of the file: closing any other would release all of its locks."""

    def __init__(self, path: str, file: int) -> None:
        self.path, self.file, self.process = path, file, os.getpid()
        self.users = 0
        self.tokens: set[int] = set()
        self.serving = False


_files: dict[str, _LockFile] = {}
_guard = threading.Lock()


class ProcessLock:
    """A token of this process, held until `close`. A process may hold several, even on one file."""

    is_of_file = True

    def __init__(self, database: Path, *, takes_part: bool = True) -> None:
        """Take a token, unless this process only reads. Raises `StorageError` if that fails."""
        with _guard:
            try:
                self._file = _opened(database)
                try:
                    self.token = _take_token(self._file) if takes_part else 0
                except BaseException:
                    _release(self._file)
                    raise
            except OSError as error:
                raise storage_error(f"{database}.lock", error) from error
        self._serves = False
        self._open = True

    def is_alive(self, token: int) -> bool:
        """Return whether a process, including this one, holds the token."""
        with _guard:
            if token in self._file.tokens:
                return True
            if not lock_bytes(self._file.file, token, kind="probe"):
                return True
            unlock_bytes(self._file.file, token)
            return False

    def is_alone(self) -> bool:
        """Return whether this is the only token held, by this process or others."""
        with _guard:
            if len(self._file.tokens) > 1:
                return False
            ours = self.token
            return all(
                self._is_free(first, count)
                for first, count in ((_FIRST, ours - _FIRST), (ours + 1, _LAST + 1 - ours))
                if count
            )

    def openings(self) -> int:
        """Return a number that grows whenever a process opens the database."""
        return os.fstat(self._file.file).st_size

    def serve(self) -> None:
        """Become the one process that serves the database. Raises `InvalidSetting` if there is one."""
        with _guard:
            if self._file.serving or not lock_bytes(self._file.file, _SERVER):
                raise InvalidSetting(
                    f"another server has {self._file.path.removesuffix('.lock')} open, and SQLite is for one "
                    "server process: use its port, another --db, or PostgreSQL for several (postgresql://...)"
                )
            self._file.serving = self._serves = True

    def close(self) -> None:
        """Release the token; closing again does nothing."""
        with _guard:
            if not self._open:
                return
            self._open = False
            with suppress(OSError):
                if self.token:
                    unlock_bytes(self._file.file, self.token)
                if self._serves:
                    unlock_bytes(self._file.file, _SERVER)
            self._file.serving = self._file.serving and not self._serves
            self._file.tokens.discard(self.token)
            _release(self._file)

    def _is_free(self, first: int, count: int) -> bool:
        free = lock_bytes(self._file.file, first, count, kind="probe")
        if free:
            unlock_bytes(self._file.file, first, count)
        return free


@asynccontextmanager
async def process_lock(location: Location) -> "AsyncGenerator[ProcessLock | NoOtherProcess]":
    """Hold a token of an SQLite database during the body. Raises `StorageError`."""
    if location.path is None:
        yield NoOtherProcess()
        return
    lock = await asyncio.to_thread(ProcessLock, location.path)
    try:
        yield lock
    finally:
        lock.close()


class NoOtherProcess:
    """What stands for the lock of a database in memory, which no other process sees."""

    is_of_file = False
    token = 0

    def is_alive(self, token: int) -> bool:
        """Return false."""
        return False

    def is_alone(self) -> bool:
        """Return true."""
        return True

    def openings(self) -> int:
        """Return 0."""
        return 0

    def serve(self) -> None:
        """Do nothing."""


def _opened(database: Path) -> _LockFile:
    path = f"{os.path.realpath(database)}.lock"
    known = _files.get(path)
    if known is None or known.process != os.getpid():  # A forked process has none of its parent's locks.
        known = _files[path] = _LockFile(path, _open(path, database))
    known.users += 1
    return known


def _open(path: str, database: Path) -> int:
    """Open the file; a new one gets the owner and mode of the database, as SQLite does it."""
    try:
        return os.open(path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
    except FileNotFoundError:
        file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
    kind = os.stat(database)
    with suppress(OSError, AttributeError):
        if os.geteuid() == 0:
            os.fchown(file, kind.st_uid, kind.st_gid)
        os.fchmod(file, kind.st_mode & 0o666)
    return file


def _release(known: _LockFile) -> None:
    known.users -= 1
    if not known.users:
        os.close(known.file)
        del _files[known.path]


def _take_token(known: _LockFile) -> int:
    deadline = time.monotonic() + _LONGEST_OPENING
    while not lock_bytes(known.file, _OPENING):
        if time.monotonic() > deadline:
            raise StorageError(f"the lock file {known.path} is not free: delete it and try again")
        time.sleep(0.002)
    try:
        token = _free_token(known)
        os.ftruncate(known.file, os.fstat(known.file).st_size + 1)
    finally:
        unlock_bytes(known.file, _OPENING)
    known.tokens.add(token)
    return token


def _free_token(known: _LockFile) -> int:
    while True:
        token = _FIRST + secrets.randbelow(_LAST - _FIRST)
        if token not in known.tokens and lock_bytes(known.file, token):
            return token
        time.sleep(0.001)  # Another process is probing.
