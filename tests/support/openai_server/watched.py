"""State of the server's thread that any other thread or event loop can wait on without polling."""

import asyncio
import threading
from collections.abc import Callable

from patience import PATIENCE


class Watched:
    """Wake whoever waits, in threads and in event loops alike, each time the state behind it has changed."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._waiters: dict[asyncio.Future[None], asyncio.AbstractEventLoop] = {}

    def changed(self) -> None:
        """Wake all waiters to look at the state again; call it after the change, from any thread."""
        with self._condition:
            waiters, self._waiters = self._waiters, {}
            self._condition.notify_all()
        for waiter, loop in waiters.items():
            try:
                loop.call_soon_threadsafe(_wake, waiter)
            except RuntimeError:  # that loop was closed while its waiter was still listed
                continue

    def wait(self, ready: Callable[[], bool], within: float, what: str) -> None:
        """Block the thread until `ready()`; raise TimeoutError that names `what` after `within` seconds."""
        with self._condition:
            if not self._condition.wait_for(ready, within):
                raise TimeoutError(f"waited {within} s for {what}")

    async def async_wait(self, ready: Callable[[], bool], within: float | None, what: str) -> None:
        """Do as `wait` does without blocking the event loop; no `within` waits forever."""
        try:
            async with asyncio.timeout(within):
                await self._until(ready)
        except TimeoutError:
            raise TimeoutError(f"waited {within} s for {what}") from None

    async def _until(self, ready: Callable[[], bool]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            with self._condition:
                if ready():
                    return
                waiter: asyncio.Future[None] = loop.create_future()
                self._waiters[waiter] = loop
            try:
                await waiter
            finally:
                with self._condition:
                    self._waiters.pop(waiter, None)


class Gate:
    """A place in a reply where the server stops until the test opens it; never opened, it is a stall."""

    def __init__(self) -> None:
        self._watched = Watched()
        self._arrivals = 0
        self._opened = False

    @property
    def arrivals(self) -> int:
        """How many replies have come to this gate, opened or not."""
        return self._arrivals

    def open(self) -> None:
        """Let the replies that wait here, and all later ones, go on."""
        self._opened = True
        self._watched.changed()

    def wait_reached(self, times: int = 1, within: float = PATIENCE) -> None:
        """Block until `times` replies have come here: all they had to send before is in the socket."""
        self._watched.wait(lambda: self._arrivals >= times, within, f"a reply to reach the gate ({times})")

    async def async_wait_reached(self, times: int = 1, within: float = PATIENCE) -> None:
        """Do as `wait_reached` does without blocking the event loop."""
        await self._watched.async_wait(
            lambda: self._arrivals >= times, within, f"a reply at the gate ({times})"
        )

    async def pass_through(self) -> None:
        """Arrive, and return when the gate is open (called by the server alone)."""
        self._arrivals += 1
        self._watched.changed()
        await self._watched.async_wait(lambda: self._opened, None, "the gate to open")


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
