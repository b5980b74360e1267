"""One turn at a time on a thread across processes: the newest wins, whichever process got it."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from ...nodes.context import Background
from ...state.agents.thread_keys import thread_name
from ...state.errors import StorageError, ThreadBusy
from ...state.postgres.lease import Lease
from ...state.postgres.leases import Leases
from ...state.postgres.wishes import Answer, Kind, Look, Wish
from .owner import NOTHING_RAN, InterruptedElsewhere
from .running import Threads, TurnRun

log = logging.getLogger(__name__)

Overlap = Literal["newest", "enqueue", "reject"]
LOOK_AGAIN = 0.1
"""Seconds between looks at a wish, since the notice of its answer may be lost."""
_LONGEST_LOOK = 0.5
"""The most seconds of silence that one look counts: if it takes longer, this process may have been slow."""
LONGEST_SILENCE = 4.0
"""Seconds after which a silent holder counts as stuck; meanwhile the caller hears the filler."""
_UNANSWERED = 0.5
"""Seconds after which a silent holder counts as busy."""
_MOST_ENDED = 2
"""Number of consecutive silent holders after which the thread is given up."""
_MOST_CARRIED_OUT = 1000
"""Number of interrupts remembered that were carried out: far more than are ever waiting for an answer."""
_ENDED = InterruptedElsewhere(ran=True, cut=False)


@dataclass(kw_only=True)
class _Asked:
    """A wish of this process."""

    id: int
    is_held: bool
    """True if another process had the thread when the wish was made."""
    hint: asyncio.Event = field(default_factory=asyncio.Event)
    received_at: datetime | None = None
    silence: float = 0.0
    """Seconds since the last sign of life of the thread's holder."""


class OtherProcesses:
    """Coordinates the runs of this process with those of others. Threads are identified by key.

    A process that wants another's thread writes a wish, and looks at it until it is answered or the thread is
    free. The process that has the thread sees the wish, and stops its run or not.
    """

    def __init__(self, leases: Leases, threads: Threads, background: Background, overlap: Overlap) -> None:
        self._leases, self._wishes, self._threads = leases, leases.wishes, threads
        self._background: Background = background
        self._overlap: Overlap = overlap
        self._asked: dict[int, _Asked] = {}
        self._carried_out: dict[int, Answer | None] = {}
        """The answers to interrupts that were carried out, `None` until their turns have ended."""
        leases.listen(self.hear)

    @property
    def address(self) -> int:
        """The server process that holds this process's locks."""
        return self._leases.address

    def is_wanted(self, thread_id: str) -> bool:
        """Return whether another process waits for a thread of this one."""
        lease = self._leases.of_thread(thread_id)
        return lease is not None and lease.is_wanted

    async def have(self, thread_id: str) -> bool:
        """Return whether another process has the thread. Raises `StorageError`."""
        return self._leases.of_thread(thread_id) is None and await self._leases.is_held(thread_id)

    @asynccontextmanager
    async def owning(self, run: TurnRun, overlap: Overlap | None = None) -> AsyncGenerator[Lease]:
        """Have the run's thread during the body; `overlap` (default: the setting) applies to its holder.

        Raises `ThreadBusy` if the run is rejected, a newer request for the thread was faster, or the holder
        does not answer; also `StorageError`.
        """
        lease = await self._leases.take(run.thread_id)
        if lease is not None and lease.facts.is_waited_for:
            # Turns that came earlier go first: otherwise they would follow this one, and speak.
            lease.is_wanted = True
            await self._leases.give_back(lease)
            lease = None
        if lease is None:
            async with run.waiting():
                lease = await self._wait(run, overlap or self._overlap)
        lease.when_lost(run.stop.drop)
        try:
            yield lease
        finally:
            await self._leases.give_back(lease)

    async def interrupt(self, thread_id: str, heard: str | None) -> InterruptedElsewhere:
        """Interrupt the thread's turn in the process that runs it, and wait for its end.

        The database session of a process that does not answer is terminated. Raises `StorageError`.
        """
        async with self._asking(thread_id, "interrupt", heard) as asked:
            if not asked.is_held:
                return NOTHING_RAN
            while True:
                seen = await self._look(asked)
                if seen is None:
                    return _ENDED
                if seen.answer is not None:
                    return InterruptedElsewhere(ran=seen.answer != "nothing", cut=seen.answer == "cut")
                if not seen.is_received:
                    return _ENDED
                if asked.silence > LONGEST_SILENCE:
                    await self._leases.end_holder(thread_id, seen.receiver)
                    return _ENDED

    def hear(self, notice: str) -> None:
        """Handle a notice from another process: there is a wish, or an answer to one of ours."""
        kind, _, id_ = notice.partition(" ")
        if kind == "wish":
            self._background.start(self._receive(int(id_)))
        elif int(id_) in self._asked:
            self._asked[int(id_)].hint.set()

    async def _wait(self, run: TurnRun, overlap: Overlap) -> Lease:
        """Wait for the thread, which another process has."""
        ended_holders = 0
        asked_at = self._leases.at(run.asked)
        async with self._asking(run.thread_id, overlap, asked_at=asked_at) as asked:
            while True:
                seen = await self._look(asked)
                if seen is None:
                    return await self._wait(run, overlap)  # The database has lost the wish.
                self._give_up(run, overlap, asked, seen)
                if seen.is_superseded or seen.answer == "late":
                    run.stop.drop()
                lease = await self._leases.take(run.thread_id) if seen.is_next else None
                if lease is not None:
                    return lease
                if asked.silence > LONGEST_SILENCE:
                    await self._end_holder(run.thread_id, ended_holders)
                    ended_holders, asked.silence = ended_holders + 1, 0.0

    def _give_up(self, run: TurnRun, overlap: Overlap, asked: _Asked, seen: Look) -> None:
        name = thread_name(run.thread_id)
        silent = seen.received_at is None and asked.silence > _UNANSWERED
        if seen.answer == "busy" or (overlap == "reject" and silent):
            raise ThreadBusy(f"a turn is running on thread '{name}': wait for it or interrupt it")
        if seen.answer == "late" and run.history:
            # Its history lacks the newer turn, and would remove it.
            raise ThreadBusy(f"a newer request for thread '{name}' came first")

    async def _end_holder(self, thread_id: str, ended_holders: int) -> None:
        """Take the thread from a process that is frozen, as on a sleeping machine."""
        if ended_holders >= _MOST_ENDED:
            raise ThreadBusy(f"the process that holds thread '{thread_name(thread_id)}' does not answer")
        log.warning(
            "a process that does not answer loses its threads", extra={"thread_id": thread_name(thread_id)}
        )
        await self._leases.end_holder(thread_id)

    @asynccontextmanager
    async def _asking(
        self, thread_id: str, kind: Kind, heard: str | None = None, *, asked_at: datetime | None = None
    ) -> AsyncGenerator[_Asked]:
        """Have a wish during the body, asked for at `asked_at` by the server's clock, or now."""
        id_, is_held = await self._wishes.put(thread_id, kind, heard, asked_at=asked_at)
        self._asked[id_] = _Asked(id=id_, is_held=is_held)
        try:
            yield self._asked[id_]
        finally:
            del self._asked[id_]
            with suppress(StorageError):  # Then it is deleted with old ones.
                await self._wishes.withdraw(id_)

    async def _look(self, asked: _Asked) -> Look | None:
        """Wait for a hint, or for a while, and return what has become of the wish."""
        began = time.monotonic()
        if asked.is_held:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_AGAIN):
                    await asked.hint.wait()
            asked.hint.clear()
        asked.is_held = True
        seen = await self._wishes.look(asked.id)
        asked.silence += min(time.monotonic() - began, _LONGEST_LOOK)
        if seen is not None and seen.received_at != asked.received_at:
            asked.received_at, asked.silence = seen.received_at, 0.0
        return seen

    async def _receive(self, id_: int) -> None:
        """Do what another process wishes."""
        with suppress(StorageError):  # It shows the wish again.
            wish = await self._wishes.receive(id_)
            if wish is None:
                return
            lease = self._leases.of_key(wish.thread)
            if wish.kind == "interrupt":
                answer = self._interrupted(lease, wish)
            else:
                answer = None if lease is None else self._stopped(lease, wish)
            if answer is not None:
                await self._wishes.answer(id_, answer)

    def _stopped(self, lease: Lease, wish: Wish) -> Answer | None:
        """Let a turn of another process follow the runs of this one; return the answer if it may not."""
        runs = self._threads.chain(lease.thread_id)
        if wish.kind == "reject" and any(not run.kept for run in runs):
            return "busy"
        lease.is_wanted = True
        if wish.kind != "newest":
            return None
        newer = [run for run in runs if self._leases.at(run.asked) > wish.asked_at]
        for run in runs:
            if run not in newer and not run.kept:
                run.stop.drop()
        return "late" if newer else None

    def _interrupted(self, lease: Lease | None, wish: Wish) -> Answer | None:
        """Interrupt the turn that is meant, once; return the answer if the turn has ended."""
        if wish.id in self._carried_out:
            return self._carried_out[wish.id]
        if lease is None or lease.taken_at > wish.asked_at:  # It was meant for an earlier turn.
            return "ended"
        run = self._threads.meant(lease.thread_id, wish.heard)
        if run is None:
            return "nothing"
        self._carried_out[wish.id] = None
        if len(self._carried_out) > _MOST_CARRIED_OUT:
            del self._carried_out[next(iter(self._carried_out))]
        cut = run.interrupt(wish.heard)

        def ended() -> None:
            self._carried_out[wish.id] = "cut" if cut and not run.has_failed else "ended"
            self._background.start(self._receive(wish.id))

        run.when_done(ended)
        return None
