"""A process that kills itself right before or right after one of its commits."""

import os
import signal
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.pool import Pool


def kill_at(when: str, number: int) -> None:
    """Let this process die before or after its commit of this number."""
    commits = 0

    def count(_: Any) -> None:
        nonlocal commits
        print("commits", flush=True)  # First: with two threads that commit, the other one may kill meanwhile.
        commits += 1
        if when == "before" and commits == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def look(*_: Any) -> None:
        if when == "after" and commits == number:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "commit", count)
    event.listen(Pool, "checkin", look)
