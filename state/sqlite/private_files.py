"""Files that hold words of callers are for their owner alone: 0600, in folders 0700."""

import os
from contextlib import suppress
from pathlib import Path


def make_folders(folder: Path) -> None:
    """Make a folder and those above it that are missing; those that are there stay as they are."""
    if folder.exists():
        return
    make_folders(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)


def make_file(path: Path) -> None:
    """Make an empty file unless there is one. SQLite gives the files beside it the same permissions."""
    with suppress(FileExistsError):
        # A file that is there is not opened: to close it would free the locks that this process has on it.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
