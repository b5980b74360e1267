"""A thread that this process has, by an advisory lock of PostgreSQL."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from ..agents.thread_keys import thread_name
from ..errors import StorageError, ThreadLost

_LOOK_AGAIN = 0.05
"""Seconds between looks whether the server still keeps the lock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadFacts:
    """The state of a thread when its lock was taken."""

    head: str | None
    """Its newest checkpoint."""
    organization_id: str | None
    user_id: str | None
    agent_id: str | None
    said: bool
    """True if messages of it are stored."""
    left: bool
    """True if the journal has an unfinished turn of it."""
    taken_at: datetime
    """When the lock was taken, by the server's clock."""
    is_waited_for: bool = False
    """True if a turn of another process was waiting for it."""


class Lease:
    """A thread that belongs to this process until it is given back or lost; `thread_id` is its key."""

    def __init__(self, thread_id: str, facts: ThreadFacts, is_sure: Callable[[], bool]) -> None:
        """`is_sure` returns whether the server has confirmed lately that it keeps this process's locks."""
        self.thread_id, self.facts, self._is_sure = thread_id, facts, is_sure
        self.head = facts.head
        """The newest checkpoint of the thread that this process knows."""
        self.taken_at = facts.taken_at
        self.is_wanted = False
        """True if other processes wait for the thread."""
        self._ours = {facts.head}
        self._sure = asyncio.Event()
        self._sure.set()
        self._lost: list[Callable[[], None]] = []
        self._is_lost = False

    def when_lost(self, call: Callable[[], None]) -> None:
        """Call `call` when another process has taken the thread over."""
        self._lost.append(call)

    def writing(self, checkpoint_id: str) -> None:
        """Note that a checkpoint is about to be written."""
        self._ours.add(checkpoint_id)
        self.head = max(self.head or "", checkpoint_id)

    async def held(self, within: float) -> None:
        """Wait until it is certain that this process has the thread; after an outage that takes a while.

        Raises `ThreadLost` if another process has taken it over, and `StorageError` if it is not certain
        within `within` seconds.
        """
        if not (self._sure.is_set() and self._is_sure()):
            try:
                async with asyncio.timeout(within):
                    await self._until_sure()
            except TimeoutError:
                away = StorageError("the database is away: what was said cannot be stored now")
                away.retryable = True
                raise away from None
        if self._is_lost:
            raise ThreadLost(thread_name(self.thread_id))

    async def _until_sure(self) -> None:
        await self._sure.wait()
        while not self._is_sure():  # The link asks the server every second.
            await asyncio.sleep(_LOOK_AGAIN)
            await self._sure.wait()

    def doubt(self) -> None:
        """Note that the lock is gone, and another process may take it."""
        self._sure.clear()

    def regain(self, facts: ThreadFacts | None) -> bool:
        """Note the outcome of taking the lock again, `None` if another process has it.

        Returns false if the thread is lost: another process has it, or has written to it in between.
        """
        self._is_lost = facts is None or facts.head not in self._ours
        self._sure.set()
        if self._is_lost:
            for call in self._lost:
                call()
        return not self._is_lost
