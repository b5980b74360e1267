"""The requests of each user, counted together by all processes of a server."""

import mmap
import os
import struct
from hashlib import blake2b
from pathlib import Path
from typing import Self

from ....state.agents.actors import Actor

try:
    import fcntl
except ImportError:  # Windows: each process counts for itself.
    fcntl = None

_FILE = "rates"
SLOTS = 65_536
"""Users who are remembered."""
_SLOT = struct.Struct("=8sd")
_PROBES = 8
"""Slots in which a user may stand."""


def drawn(known: float, now: float, seconds: float, longest: float) -> tuple[float, float]:
    """Return when a bucket that is full at `known` is full once a token is taken, and the seconds over.

    Those are 0 when that is at most `longest` from now; else the token may not be taken.
    """
    full_at = max(now, known) + seconds
    over = full_at - now - longest
    return full_at, over if over > 1e-6 else 0.0


class SharedBuckets:
    """A file of slots, mapped into each process: a digest of a user, and when the bucket is full again.

    Times are of the monotonic clock, which all processes of a machine share. Where too many users meet in
    the same slots, the one whose bucket is full first goes.
    """

    def __init__(self, file: int) -> None:
        """Use an open file, which is closed with the process."""
        os.ftruncate(file, SLOTS * _SLOT.size)
        self._file, self._slots = file, mmap.mmap(file, SLOTS * _SLOT.size)

    @classmethod
    def at(cls, folder: Path) -> Self | None:
        """Return the buckets of a folder, `None` where files cannot be locked."""
        if fcntl is None:
            return None
        return cls(os.open(folder / _FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def draw(self, actor: Actor, now: float, seconds: float, longest: float) -> float:
        """Take one token: let the bucket be full `seconds` later, and return 0.

        When that were more than `longest` from now, it stays as it is, and the seconds over are returned.
        """
        assert fcntl is not None
        name = "\0".join((actor.organization_id, actor.user_id))
        digest = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            place, known = self._find(digest)
            full_at, over = drawn(known, now, seconds, longest)
            if not over:
                _SLOT.pack_into(self._slots, place, digest, full_at)
            return over
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)

    def _find(self, digest: bytes) -> tuple[int, float]:
        """Return where a user stands, or may stand, and when the bucket is full: 0 for a new one."""
        first = int.from_bytes(digest, "big")
        places = [(first + probe) % SLOTS * _SLOT.size for probe in range(_PROBES)]
        slots = [_SLOT.unpack_from(self._slots, place) for place in places]
        for place, (known, full_at) in zip(places, slots, strict=True):
            if known == digest:
                return place, full_at
        return min(zip(places, slots, strict=True), key=lambda one: one[1][1])[0], 0.0
