"""Rate limits shared by all processes of a server."""

import mmap
import os
import struct
from hashlib import blake2b
from pathlib import Path
from typing import Self

from ....state.agents.actors import Actor

try:
    import fcntl
except ImportError:  # Windows: each process counts separately.
    fcntl = None

_FILE = "rates"
SLOTS = 65_536
"""Number of users remembered."""
_SLOT = struct.Struct("=8sd")
_PROBES = 8
"""Number of slots in which a user may be stored."""


def drawn(known: float, now: float, seconds: float, longest: float) -> tuple[float, float]:
    """Return when a bucket full at `known` is full after taking a token, and the excess in seconds.

    The excess is 0 if that is at most `longest` from now; otherwise the token may not be taken.
    """
    full_at = max(now, known) + seconds
    over = full_at - now - longest
    return full_at, over if over > 1e-6 else 0.0


class SharedBuckets:
    """A memory-mapped file of slots, each with a user's digest and the time their bucket is full again.

    Times are of the monotonic clock, which all processes of a machine share. When all of a user's slots are
    taken, the one whose bucket is full first is replaced.
    """

    def __init__(self, file: int) -> None:
        """Use an open file, which stays open until the process ends."""
        os.ftruncate(file, SLOTS * _SLOT.size)
        self._file, self._slots = file, mmap.mmap(file, SLOTS * _SLOT.size)

    @classmethod
    def at(cls, folder: Path) -> Self | None:
        """Return the buckets stored in a folder, `None` if files cannot be locked."""
        if fcntl is None:
            return None
        return cls(os.open(folder / _FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def draw(self, actor: Actor, now: float, seconds: float, longest: float) -> float:
        """Take a token: the bucket is full `seconds` later. Return 0.

        If that is more than `longest` from now, change nothing and return the excess in seconds.
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
        """Return the user's slot, or one to use, and when the bucket is full: 0 for a new user."""
        first = int.from_bytes(digest, "big")
        places = [(first + probe) % SLOTS * _SLOT.size for probe in range(_PROBES)]
        slots = [_SLOT.unpack_from(self._slots, place) for place in places]
        for place, (known, full_at) in zip(places, slots, strict=True):
            if known == digest:
                return place, full_at
        return min(zip(places, slots, strict=True), key=lambda one: one[1][1])[0], 0.0
