"""One turn at a time on a thread across processes: the newest wins, whichever process got it."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Literal

from ...nodes.context import Background
from ...state.agents.thread_keys import thread_name
from ...state.errors import StorageError, ThreadBusy
from .interrupts import LONGEST_SILENCE, LOOK_AGAIN, Interrupts, Notice
from .owner import InterruptedElsewhere
from .running import Threads, TurnRun

if TYPE_CHECKING:
    from ...state.postgres.leases import Lease, Leases

log = logging.getLogger(__name__)

Overlap = Literal["newest", "enqueue", "reject"]
_MOST_ENDED = 2
"""Number of consecutive silent holders after which the thread is given up."""
_UNANSWERED = 0.5
"""Seconds after which a silent holder counts as busy."""
_FIRST_PAUSE = 0.005
"""Seconds before retrying a thread that was reported free but was not; doubled each time."""
_MOST_NAMED = 30
"""Number of waiting runs passed on to a thread's next holder; the others retry by themselves."""


@dataclass(kw_only=True)
class _Wish:
    """A run that waits for a thread held by another process."""

    run: TurnRun
    overlap: Overlap
    id: str = field(default_factory=lambda: token_hex(6))
    heard_at: float = field(default_factory=time.monotonic)
    """Monotonic time of the holder's last reply."""
    told: asyncio.Event = field(default_factory=asyncio.Event)
    answer: str = ""
    ended_holders: int = 0
    then: list[Notice] = field(default_factory=list[Notice])
    """The runs that wait after this one."""


class OtherProcesses:
    """Coordinates the runs of this process with those of others. Threads are identified by key.

    A process that wants another's thread sends it a notice; the holder stops its run or not, and notifies it
    when the thread is free. Since notices may be lost, waiting processes also retry by themselves.
    """

    def __init__(self, leases: "Leases", threads: Threads, background: Background, overlap: Overlap) -> None:
        self._leases, self._threads, self._background = leases, threads, background
        self._overlap: Overlap = overlap
        self._ours: dict[str, float] = {}
        self._interrupts = Interrupts(leases, threads, self._reply, self._ours.get)
        self._wishes: dict[str, _Wish] = {}
        self._waiting: dict[str, dict[str, Notice]] = {}
        leases.listen(self.hear)

    @asynccontextmanager
    async def owning(self, run: TurnRun, overlap: Overlap | None = None) -> "AsyncGenerator[Lease]":
        """Hold the run's thread during the body; `overlap` (default: the setting) applies to its holder.

        Raises `ThreadBusy` if the run is rejected, a newer request for the thread was faster, or the holder
        does not answer; also `StorageError`.
        """
        lease = await self._take(_Wish(run=run, overlap=overlap or self._overlap))
        self._ours[run.thread_id] = time.monotonic()
        lease.when_lost(run.stop.drop)
        try:
            yield lease
        finally:
            self._ours.pop(run.thread_id, None)
            waiting = self._waiting.pop(run.thread_id, {})
            await self._give_back(lease, sorted(waiting.values(), key=lambda notice: notice["at"]))

    @property
    def address(self) -> int:
        """This process's address for notices: the id of the PostgreSQL backend that holds its locks."""
        return self._leases.address

    @property
    def is_linked(self) -> bool:
        """False while the database is unreachable: then no turn can start."""
        return self._leases.is_up

    def is_wanted(self, thread_id: str) -> bool:
        """Return whether another process waits for a thread of this one."""
        return bool(self._waiting.get(thread_id))

    async def have(self, thread_id: str) -> bool:
        """Return whether another process holds the thread. Raises `StorageError`."""
        return thread_id not in self._ours and await self._leases.is_held(thread_id)

    async def interrupt(self, thread_id: str, heard: str | None) -> InterruptedElsewhere | None:
        """Interrupt the thread's turn in the process that runs it, and wait for its end; `None` without one.

        The database session of a process that does not answer is terminated. Raises `StorageError`.
        """
        return await self._interrupts.send(thread_id, heard)

    def hear(self, notice: Notice) -> None:
        """Handle a notice from another process."""
        match notice["kind"]:
            case "want":
                self._hear_want(notice)
            case "interrupt":
                self._interrupts.hear(notice)
            case "interrupted" | "interrupting":
                self._interrupts.hear_answer(notice)
            case _:
                self._hear_answer(notice)

    async def _take(self, wish: _Wish) -> "Lease":
        run = wish.run
        lease = await self._leases.take(run.thread_id)
        if lease is not None:
            return lease
        async with run.waiting():
            return await self._wait(wish)

    async def _wait(self, wish: _Wish) -> "Lease":
        """Wait for the thread, which another process holds."""
        run, lease = wish.run, None
        self._wishes[wish.id] = wish
        pause = _FIRST_PAUSE
        try:
            while lease is None:
                wish.told.clear()
                await self._leases.tell_holder(run.thread_id, [self._want(wish)])
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_AGAIN):
                        await wish.told.wait()
                self._give_up_if_told(wish)
                lease = await self._leases.take(run.thread_id)
                if lease is None and time.monotonic() - wish.heard_at > LONGEST_SILENCE:
                    await self._end_holder(wish)
                if lease is None and wish.answer == "free":
                    # Another run was faster, and gets our notice next; or the reply is wrong, and may repeat.
                    wish.answer = ""
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, LOOK_AGAIN)
            self._waiting.setdefault(run.thread_id, {}).update({other["id"]: other for other in wish.then})
            return lease
        finally:
            del self._wishes[wish.id]

    async def _end_holder(self, wish: _Wish) -> None:
        """Take the thread from a process that is frozen, as on a sleeping machine."""
        thread_id = wish.run.thread_id
        if wish.ended_holders >= _MOST_ENDED:
            raise ThreadBusy(f"the process that holds thread '{thread_name(thread_id)}' does not answer")
        shown = {"thread_id": thread_name(thread_id)}
        log.warning("a process that does not answer loses its threads", extra=shown)
        wish.ended_holders += 1
        wish.heard_at = time.monotonic()
        await self._leases.end_holder(thread_id)

    def _want(self, wish: _Wish) -> Notice:
        return {
            "kind": "want",
            "thread": wish.run.thread_id,
            "from": self._leases.address,
            "id": wish.id,
            "at": self._leases.at(wish.run.asked),
            "overlap": wish.overlap,
        }

    def _give_up_if_told(self, wish: _Wish) -> None:
        run, name = wish.run, thread_name(wish.run.thread_id)
        unanswered = not wish.answer and time.monotonic() - wish.heard_at > _UNANSWERED
        if wish.answer == "busy" or (wish.overlap == "reject" and unanswered):
            raise ThreadBusy(f"a turn is running on thread '{name}': wait for it or interrupt it")
        if wish.answer == "late" and run.history:
            # Its history lacks the newer turn, and would remove it.
            raise ThreadBusy(f"a newer request for thread '{name}' came first")

    def _hear_want(self, notice: Notice) -> None:
        thread_id = notice["thread"]
        if thread_id not in self._ours:
            self._reply(notice, "free")
            return
        runs = self._threads.chain(thread_id)
        if notice["overlap"] == "reject" and any(not run.kept for run in runs):
            self._reply(notice, "busy")
            return
        waiting = self._waiting.setdefault(thread_id, {})
        known = notice["id"] in waiting
        waiting[notice["id"]] = notice
        if notice["overlap"] == "newest":
            self._newest_wins(notice, runs, [] if known else list(waiting.values()))
        self._reply(notice, "wait")  # Reply each time: silence would mean that this process is stuck.

    def _newest_wins(self, notice: Notice, runs: Sequence[TurnRun], waiting: Sequence[Notice]) -> None:
        """Stop runs older than the notice; reply to its sender if one is newer."""
        for run in runs:
            if self._leases.at(run.asked) > notice["at"]:
                self._reply(notice, "late")
            elif not run.kept:
                run.stop.drop()
        for other in waiting:
            if other["overlap"] == "newest" and other["at"] < notice["at"]:
                self._reply(other, "stop")
            elif other["at"] > notice["at"]:
                self._reply(notice, "stop")

    def _hear_answer(self, notice: Notice) -> None:
        wish = self._wishes.get(notice["to"])
        if wish is None:
            return
        wish.heard_at = time.monotonic()
        if notice["kind"] != "wait" or not wish.answer:
            wish.answer = notice["kind"]
        wish.then += notice.get("then", ())
        if wish.answer in ("stop", "late"):
            wish.run.stop.drop()
        if wish.answer in ("free", "busy") or (wish.answer == "late" and wish.run.history):
            wish.told.set()

    def _reply(self, notice: Notice, kind: str, **more: Any) -> None:
        answer = {"kind": kind, "to": notice["id"], **more}

        async def tell() -> None:
            with suppress(StorageError):  # Waiting processes retry by themselves.
                await self._leases.tell(notice["from"], [answer])

        self._background.start(tell())

    async def _give_back(self, lease: "Lease", waiting: Sequence[Notice]) -> None:
        """Free the thread, and notify the longest waiting run, which takes over the list of the others."""
        if not waiting:
            await self._leases.give_back(lease)
            return
        first, then = waiting[0], waiting[1 : _MOST_NAMED + 1]
        notice = {"kind": "free", "to": first["id"], "then": [{**other, "thread": ""} for other in then]}
        await self._leases.give_back(lease, first["from"], [notice])
