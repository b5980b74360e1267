"""Locks on single bytes of a file, released when the process that holds them ends, even if killed."""

import os
import sys
from typing import Literal

if sys.platform == "win32":
    import msvcrt

    def lock_bytes(file: int, first: int, count: int = 1, *, kind: Literal["own", "probe"] = "own") -> bool:
        """Lock some bytes; return false if another process holds one of them.

        Locks of the kind `probe` do not exclude each other, except on Windows, which has one kind.
        """
        os.lseek(file, first, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, count)
        except OSError:
            return False
        return True

    def unlock_bytes(file: int, first: int, count: int = 1) -> None:
        """Unlock some bytes."""
        os.lseek(file, first, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_UNLCK, count)

else:
    import fcntl

    def lock_bytes(file: int, first: int, count: int = 1, *, kind: Literal["own", "probe"] = "own") -> bool:
        """Lock some bytes; return false if another process holds one of them.

        Locks of the kind `probe` do not exclude each other.
        """
        how = fcntl.LOCK_EX if kind == "own" else fcntl.LOCK_SH
        try:
            fcntl.lockf(file, how | fcntl.LOCK_NB, count, first)
        except (BlockingIOError, PermissionError):
            return False
        return True

    def unlock_bytes(file: int, first: int, count: int = 1) -> None:
        """Unlock some bytes."""
        fcntl.lockf(file, fcntl.LOCK_UN, count, first)
