"""Make the ids of a thread's checkpoints increase, whatever the clocks show.

LangGraph takes the checkpoint with the greatest id as the newest. It makes ids from the wall clock: UUIDs of
version 6 (RFC 9562, section 5.6), each greater than the previous one in its process. With a clock that was
set back, or on another machine, a new checkpoint must still be newer than earlier ones.
"""

import logging
import time

from langgraph.checkpoint.base import id as ids

log = logging.getLogger(__name__)

_EPOCH = 0x01B21DD213814000
"""Intervals of 100 ns from 1582-10-15, the epoch of these UUIDs, to 1970."""
_SECOND = 10_000_000
_CLOCKS_DIFFER = 5.0
"""Seconds by which clocks of machines may differ without a warning."""
_TELL_EVERY = 60.0
_LAST = "_last_v6_timestamp"
"""The attribute in which LangGraph keeps the timestamp of its last id."""

_told_at = float("-inf")


def count_on(checkpoint_id: str) -> None:
    """Make the ids of all later checkpoints of this process greater than this one."""
    moment = _moment_of(checkpoint_id)
    if moment is None:
        return
    if moment > (getattr(ids, _LAST, None) or 0):
        _tell_of_the_future(checkpoint_id, moment)
        setattr(ids, _LAST, moment)


def _moment_of(checkpoint_id: str) -> int | None:
    """Return the timestamp of a version 6 UUID in intervals of 100 ns, `None` for any other id."""
    digits = checkpoint_id.replace("-", "")
    if len(digits) != 32 or digits[12] != "6":
        return None
    try:
        return int(digits[:12], 16) << 12 | int(digits[13:16], 16)
    except ValueError:
        return None


def _tell_of_the_future(checkpoint_id: str, moment: int) -> None:
    global _told_at
    ahead = (moment - _EPOCH) / _SECOND - time.time()
    if ahead > _CLOCKS_DIFFER and time.monotonic() - _told_at > _TELL_EVERY:
        _told_at = time.monotonic()
        log.warning(
            "the newest checkpoint of a thread is in the future: a clock was set back, or clocks differ",
            extra={"checkpoint_id": checkpoint_id, "seconds": round(ahead, 1)},
        )
