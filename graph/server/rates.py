"""How often each user may ask: a bucket of tokens that fills up steadily."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from ...state.actors import Actor

log = logging.getLogger(__name__)

_MANY = 10_000
_LOG_EVERY = 60.0
"""Seconds between two lines in the log about the same user."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float
    logged_at: float = float("-inf")


class Rates:
    """Counts the requests of each actor in this process."""

    def __init__(self, per_minute: int | None, now: Callable[[], float] = time.monotonic) -> None:
        """Allow `per_minute` requests at once and as many each minute from then on; all if `None`."""
        self._per_minute, self._now = per_minute, now
        self._buckets: dict[Actor, _Bucket] = {}

    def take(self, actor: Actor) -> float:
        """Count one request and return 0, or return the seconds until the next one is allowed."""
        if self._per_minute is None:
            return 0.0
        now, a_second = self._now(), self._per_minute / 60
        bucket = self._buckets.get(actor)
        if bucket is None:
            self._drop_full_ones(now)
            bucket = self._buckets[actor] = _Bucket(float(self._per_minute), now)
        bucket.tokens = min(float(self._per_minute), bucket.tokens + (now - bucket.at) * a_second)
        bucket.at = now
        if bucket.tokens < 1:
            if now - bucket.logged_at >= _LOG_EVERY:
                bucket.logged_at = now
                log.warning("requests of a user are refused", extra=_facts(actor))
            return (1 - bucket.tokens) / a_second
        bucket.tokens -= 1
        return 0.0

    def _drop_full_ones(self, now: float) -> None:
        """Forget who has not asked for a minute, when there are many: their buckets are full again."""
        if len(self._buckets) >= _MANY:
            self._buckets = {actor: one for actor, one in self._buckets.items() if now - one.at < 60}


def _facts(actor: Actor) -> dict[str, str]:
    return {"organization": actor.organization_id, "user": actor.user_id, "error": "rate_limit_exceeded"}
