"""The process and the event loop that connections belong to: elsewhere they would wait for ever."""

import asyncio
import os
from typing import Literal

from ..errors import InvalidSetting


class OpenedIn:
    """Where something was opened: the running event loop of this process."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._loop = asyncio.get_running_loop()

    @property
    def this_process(self) -> bool:
        """False in a process that was forked after the opening."""
        return os.getpid() == self._process

    def check_process(self) -> None:
        """Raise `InvalidSetting` in a process that was forked after the opening."""
        if not self.this_process:
            raise InvalidSetting(
                "the resources were opened before this process was forked, and their threads and connections "
                "are not in it: open resources in each process (gunicorn: without --preload)"
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
    """A lock that another event loop is refused at once: waiting for it there would never end."""

    def __init__(self) -> None:
        """Belong to the running event loop."""
        super().__init__()
        self._opened_in = OpenedIn()

    async def acquire(self) -> Literal[True]:
        """Take the lock. Raises `InvalidSetting` in another process or event loop."""
        self._opened_in.check()
        return await super().acquire()
