"""What a command of the command line did."""

from collections.abc import Callable
from dataclasses import dataclass

from forked_python import ForkedPython


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    errors: str


Run = Callable[..., Ran]
"""Runs a command in this process, with bytes or text as its input."""
Start = Callable[..., ForkedPython]
"""Starts a command as a process of its own."""
