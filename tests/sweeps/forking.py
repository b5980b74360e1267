"""A process that forks another one for each line of its input."""

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from typing import Any


def fork_for_each_line(run: Callable[..., Coroutine[Any, Any, None]]) -> None:
    """Run the coroutine for each line, with the words of the line, in a process that is waited for."""
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            asyncio.run(run(*line.split()))
            os._exit(0)
        os.waitpid(pid, 0)
        print(f"gone {pid}", flush=True)
