"""How much work something is, in a measure that no busy machine changes."""

import sys
from collections.abc import Callable


def events(work: Callable[[], object]) -> int:
    """Return how many calls and returns the work takes, those of built-in functions included."""
    count = 0

    def note(*_: object) -> None:
        nonlocal count
        count += 1

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count
