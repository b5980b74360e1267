"""Pauses between the attempts of work that is tried again."""

from collections.abc import Iterator


def backoff(first: float, longest: float) -> Iterator[float]:
    """Yield seconds without end: `first`, then twice as much each time, up to `longest`."""
    pause = first
    while True:
        yield pause
        pause = min(2 * pause, longest)
