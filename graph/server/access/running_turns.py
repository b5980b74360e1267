"""Limit the concurrent turns of each user in this process."""

import logging
import time
from collections import Counter
from collections.abc import Callable

from ....state.agents.actors import Actor
from ..errors import RETRY_AFTER, ApiError

log = logging.getLogger(__name__)

_LOG_EVERY = 60.0
"""Minimum seconds between two log lines, for any user."""


class TooManyTurns(ApiError):
    """The user has reached the limit of concurrent turns."""

    def __init__(self, most: int) -> None:
        super().__init__(
            429,
            f"{most:,} turns are running already (setting turns_per_user): try again",
            code="too_many_turns",
            headers=RETRY_AFTER,
        )


class RunningTurns:
    """Counts the running turns of each actor."""

    def __init__(self, most: int | None) -> None:
        """Allow `most` per actor; any number if `None`."""
        self._most = most
        self._running: Counter[Actor] = Counter()
        self._logged_at = float("-inf")

    def begin(self, actor: Actor) -> Callable[[], None]:
        """Count a turn; return a function to call at its end. Raises `TooManyTurns`."""
        if self._most is not None and self._running[actor] >= self._most:
            self._tell(actor)
            raise TooManyTurns(self._most)
        self._running[actor] += 1

        def end() -> None:
            self._running[actor] -= 1
            if not self._running[actor]:
                del self._running[actor]

        return end

    def _tell(self, actor: Actor) -> None:
        if time.monotonic() - self._logged_at >= _LOG_EVERY:
            self._logged_at = time.monotonic()
            facts = {"organization": actor.organization_id, "user": actor.user_id, "error": "too_many_turns"}
            log.warning("a user has too many running turns", extra=facts)
