"""Folders of the PostgreSQL servers of test runs: those in use are locked, so that others can be swept."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

_PREFIX = "voicegraph-postgres-"
_MEMORY = Path("/dev/shm")
_ROOM = 4 << 30
_PLACES = (_MEMORY, Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp"))


def new_folder() -> Path:
    """Make a folder that all accounts may enter: PostgreSQL does not run as root."""
    place = next((place for place in _PLACES if _is_suitable(place)), Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
    folder.chmod(0o755)
    return folder


def is_open_to_all(path: Path) -> bool:
    """Return whether every account of this machine may read and enter, or run, what is at `path`."""
    return path.stat().st_mode & 0o5 == 0o5 and all(each.stat().st_mode & 0o1 for each in path.parents)


@contextmanager
def in_use(folder: Path) -> Iterator[IO[str]]:
    """Count as a user of the folder for the body, or until this process dies."""
    with (folder / "users").open("a") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        yield users


def is_last_user(users: IO[str]) -> bool:
    """Return whether no other process uses the folder; from then on none can."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def abandoned_folders() -> Iterator[Path]:
    """Give the folders of test runs that were killed."""
    for place in dict.fromkeys(_PLACES):
        for folder in place.glob(f"{_PREFIX}*"):
            with suppress(OSError), (folder / "users").open("r+") as users:
                if is_last_user(users):
                    yield folder


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Let one process at a time into the body."""
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_suitable(place: Path) -> bool:
    """Memory is where a new database takes 10 ms, if there is room."""
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        return False
    if place == _MEMORY and shutil.disk_usage(place).free < _ROOM:
        return False
    # Root's programs may have to be copied there, for another account.
    return os.geteuid() != 0 or (is_open_to_all(place) and not os.statvfs(place).f_flag & os.ST_NOEXEC)
