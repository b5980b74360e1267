"""Time, as the steps see it: tests put a hand-driven clock in its place."""

import time
from typing import Protocol


class Clock(Protocol):
    """Where the steps read the time."""

    def now(self) -> float:
        """Return seconds since the epoch."""
        ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> float:
        """Return seconds since the epoch."""
        return time.time()
