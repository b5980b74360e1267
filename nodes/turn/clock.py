"""The clock of the steps, which tests replace by a manual one."""

import time
from typing import Protocol


class Clock(Protocol):
    """Provides the time to the steps."""

    def now(self) -> float:
        """Return seconds since the epoch."""
        ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> float:
        """Return seconds since the epoch."""
        return time.time()
