"""Ids of checkpoints grow with each one of a thread, whatever clocks show.

LangGraph takes the checkpoint with the greatest id for the newest, and makes ids of the wall clock: UUIDs of
version 6 (RFC 9562, section 5.6), each greater than the one before in its process. A clock that was set back,
or that of another machine, must not make a new checkpoint older than those before it.
"""

import logging
import time

from langgraph.checkpoint.base import id as ids

log = logging.getLogger(__name__)

_EPOCH = 0x01B21DD213814000
"""Intervals of 100 ns from 1582-10-15, where these UUIDs begin, to 1970."""
_SECOND = 10_000_000
_CLOCKS_DIFFER = 5.0
"""Seconds by which clocks of machines may differ without a word."""
_TELL_EVERY = 60.0
_LAST = "_last_v6_timestamp"
"""Where LangGraph keeps the moment of its last id."""

_told_at = float("-inf")


def count_on(checkpoint_id: str) -> None:
    """Give all checkpoints that this process makes from now on greater ids than this one."""
    moment = _moment_of(checkpoint_id)
    if moment is None:
        return
    if moment > (getattr(ids, _LAST, None) or 0):
        _tell_of_the_future(checkpoint_id, moment)
        setattr(ids, _LAST, moment)


def _moment_of(checkpoint_id: str) -> int | None:
    """Return the moment of a UUID of version 6, in intervals of 100 ns, `None` for any other id."""
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
            "the newest checkpoint of a thread is of the future: a clock was set back, or machines differ",
            extra={"checkpoint_id": checkpoint_id, "seconds": round(ahead, 1)},
        )
