"""The process and event loop that opened a connection: used elsewhere, it would hang."""

import asyncio
import os
from typing import Literal

from ..errors import InvalidSetting


class OpenedIn:
    """The process and the running event loop that opened something."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._loop = asyncio.get_running_loop()

    @property
    def this_process(self) -> bool:
        """False in a process forked after opening."""
        return os.getpid() == self._process

    def check_process(self) -> None:
        """Raise `InvalidSetting` in a process forked after opening."""
        if not self.this_process:
            raise InvalidSetting(
                "the resources were opened before this process was forked; threads and connections do not "
                "survive a fork: open resources in each process (gunicorn: without --preload)"
            )

    def check(self) -> None:
        """Raise `InvalidSetting` in another process or event loop."""
        self.check_process()
        if asyncio.get_running_loop() is not self._loop:
            raise InvalidSetting(
                "the resources were opened in another event loop: open resources in each event loop, or use "
                "open_resources_sync, whose graphs have invoke and stream for all threads"
            )


class OneLoopLock(asyncio.Lock):
    """A lock that refuses other event loops at once, instead of waiting there for ever."""

    def __init__(self) -> None:
        """Bind the lock to the running event loop."""
        super().__init__()
        self._opened_in = OpenedIn()

    async def acquire(self) -> Literal[True]:
        """Acquire the lock. Raises `InvalidSetting` in another process or event loop."""
        self._opened_in.check()
        return await super().acquire()
