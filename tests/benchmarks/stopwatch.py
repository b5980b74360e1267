"""When the words of a turn came."""

import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Heard:
    """Seconds from the user's words to the first word of the reply and to its last."""

    first: float
    last: float


class Stopwatch:
    """Takes the times of one turn."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._first = self._last = 0.0

    def word(self) -> None:
        """Note that a word is there."""
        self._last = time.perf_counter()
        self._first = self._first or self._last

    def heard(self) -> Heard:
        """Return the times, or complain that nobody spoke."""
        assert self._first, "no word was heard"
        return Heard(self._first - self._start, self._last - self._start)
