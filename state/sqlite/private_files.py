"""Create files that only their owner can read (0600, folders 0700), since they contain callers' words."""

import os
from contextlib import suppress
from pathlib import Path


def make_folders(folder: Path) -> None:
    """Create a folder and its missing parents; existing folders are left unchanged."""
    if folder.exists():
        return
    make_folders(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)


def make_file(path: Path) -> None:
    """Create an empty file unless it exists. SQLite gives its accompanying files the same permissions."""
    with suppress(FileExistsError):
        # An existing file is not opened: closing it would release this process's locks on it.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
