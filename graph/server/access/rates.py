"""Rate limits per user, as token buckets."""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from ....state.agents.actors import Actor
from .shared_rates import SharedBuckets, drawn

log = logging.getLogger(__name__)

MOST_USERS = 10_000
"""Maximum number of users remembered; the least recently active are dropped first."""
_LOG_EVERY = 60.0
"""Minimum seconds between two log lines about the same user."""


class Buckets(Protocol):
    """The time at which each user's bucket is full again, in seconds."""

    def draw(self, actor: Actor, now: float, seconds: float, longest: float) -> float:
        """Take a token: the bucket is full `seconds` later. Return 0.

        If that is more than `longest` from now, change nothing and return the excess in seconds.
        """
        ...


class Rates:
    """Counts each actor's requests, across all processes that share a folder."""

    def __init__(
        self,
        per_minute: int | None,
        now: Callable[[], float] = time.monotonic,
        *,
        shared: Path | None = None,
    ) -> None:
        """Allow a burst of `per_minute` requests, and that many each minute; any number if `None`.

        Processes with the same folder `shared` count together.
        """
        self._per_minute, self._now = per_minute, now
        self._logged: OrderedDict[Actor, float] = OrderedDict()
        self._buckets: Buckets = _OwnBuckets()
        if shared is not None and per_minute is not None:
            self._buckets = SharedBuckets.at(shared) or self._buckets

    def take(self, actor: Actor) -> float:
        """Count one request and return 0, or return the seconds until one is allowed."""
        if self._per_minute is None:
            return 0.0
        now = self._now()
        wait = self._buckets.draw(actor, now, 60 / self._per_minute, 60.0)
        if wait and now - self._logged.get(actor, float("-inf")) >= _LOG_EVERY:
            _remember(self._logged, actor, now)
            log.warning("requests of a user are refused", extra=_facts(actor))
        return wait


class _OwnBuckets:
    """The buckets of one process."""

    def __init__(self) -> None:
        self._full_at: OrderedDict[Actor, float] = OrderedDict()

    def draw(self, actor: Actor, now: float, seconds: float, longest: float) -> float:
        """Take one token; see `Buckets`."""
        full_at, over = drawn(self._full_at.get(actor, now), now, seconds, longest)
        if not over:
            _remember(self._full_at, actor, full_at)
        return over


def _remember(moments: OrderedDict[Actor, float], actor: Actor, moment: float) -> None:
    moments[actor] = moment
    moments.move_to_end(actor)
    if len(moments) > MOST_USERS:
        moments.popitem(last=False)


def _facts(actor: Actor) -> dict[str, str]:
    return {"organization": actor.organization_id, "user": actor.user_id, "error": "rate_limit_exceeded"}
