"""Interrupts across processes: sent until the process that runs the turn answers, and carried out once."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Protocol

from .owner import InterruptedElsewhere
from .running import Threads

if TYPE_CHECKING:
    from ...state.postgres.leases import Leases

Notice = dict[str, Any]

LOOK_AGAIN = 0.1
"""Seconds between attempts to reach a thread's holder, since a notice may be lost."""
LONGEST_SILENCE = 4.0
"""Seconds after which a silent holder counts as stuck; meanwhile the caller hears the filler."""
_PART = 400
"""Maximum number of heard characters in one notice."""
_MOST_BYTES = 7_900
"""Maximum size of a notice in bytes: PostgreSQL allows fewer than 8,000. A thread's key may take most."""
_MOST_OF_CHARACTER = 12
"""Maximum number of bytes of one character."""
_MOST_HANDLED = 1000
"""Number of handled interrupts remembered for repeated notices: far more than are ever waiting."""


@dataclass(kw_only=True)
class _Asked:
    """An interrupt that waits for its answer."""

    answer: asyncio.Future[InterruptedElsewhere]
    heard_at: float = field(default_factory=time.monotonic)
    """Monotonic time of the receiver's last reply."""


class Reply(Protocol):
    """Answers a notice, in the background."""

    def __call__(self, notice: Notice, kind: str, **more: Any) -> None:
        """Send `kind` and `more` to the sender of the notice."""
        ...


class Interrupts:
    """Sends interrupts to the holders of threads, and handles those received as a holder.

    `taken` returns the monotonic time at which this process took a thread that it holds.
    """

    def __init__(
        self, leases: "Leases", threads: Threads, reply: Reply, taken: Callable[[str], float | None]
    ) -> None:
        self._leases, self._threads, self._reply, self._taken = leases, threads, reply, taken
        self._asked: dict[str, _Asked] = {}
        self._parts: dict[str, dict[int, str | None]] = {}
        self._handled: dict[str, InterruptedElsewhere | None] = {}

    async def send(self, thread_id: str, heard: str | None) -> InterruptedElsewhere | None:
        """Interrupt the thread's turn in the process that runs it, and wait for its end; `None` without one.

        The database session of a process that does not answer is terminated. Raises `StorageError`.
        """
        id_, asked = token_hex(6), _Asked(answer=asyncio.get_running_loop().create_future())
        notices = self._notices(thread_id, id_, heard)
        self._asked[id_] = asked
        try:
            if not await self._leases.tell_holder(thread_id, notices):
                return None
            while not asked.answer.done():
                await asyncio.wait({asked.answer}, timeout=LOOK_AGAIN)
                # The address changes when our connection is restored.
                again = [{**notice, "again": True, "from": self._leases.address} for notice in notices]
                if not asked.answer.done() and not await self._leases.tell_holder(thread_id, again):
                    return InterruptedElsewhere(ran=True, cut=False)
                if not asked.answer.done() and time.monotonic() - asked.heard_at > LONGEST_SILENCE:
                    await self._leases.end_holder(thread_id)
                    return InterruptedElsewhere(ran=True, cut=False)
            return asked.answer.result()
        finally:
            del self._asked[id_]

    def hear(self, notice: Notice) -> None:
        """Interrupt the turn that a notice is for, or repeat the answer to a repeated notice."""
        id_ = notice["id"]
        if id_ not in self._handled and notice["again"] and self._came_later(notice):
            self._remember(id_, InterruptedElsewhere(ran=True, cut=False))
        if id_ in self._handled:
            if notice["part"] == 0:
                self._answer(notice)
            return
        parts = self._parts.setdefault(id_, {})
        parts[notice["part"]] = notice["heard"]
        if len(self._parts) > _MOST_HANDLED:  # The sender has died, or will send all parts again.
            del self._parts[next(iter(self._parts))]
        if len(parts) < notice["of"]:
            return
        del self._parts[id_]
        self._interrupt(
            notice, None if parts[0] is None else "".join(parts[at] or "" for at in sorted(parts))
        )

    def hear_answer(self, notice: Notice) -> None:
        """Handle the answer to an interrupt of ours."""
        asked = self._asked.get(notice["to"])
        if asked is None:
            return
        asked.heard_at = time.monotonic()
        if notice["kind"] == "interrupted" and not asked.answer.done():
            asked.answer.set_result(InterruptedElsewhere(ran=notice["ran"], cut=notice["cut"]))

    def _notices(self, thread_id: str, id_: str, heard: str | None) -> list[Notice]:
        common = {
            "kind": "interrupt",
            "thread": thread_id,
            "from": self._leases.address,
            "id": id_,
            "at": self._leases.at(time.monotonic()),
            "again": False,
        }
        parts: list[str | None] = [None]
        if heard is not None:
            size = min(_PART, (_MOST_BYTES - len(json.dumps(common))) // _MOST_OF_CHARACTER)
            parts = [heard[at : at + size] for at in range(0, len(heard), size)] or [""]
        return [{**common, "part": at, "of": len(parts), "heard": part} for at, part in enumerate(parts)]

    def _came_later(self, notice: Notice) -> bool:
        """Return whether the thread was taken after the interrupt was sent, for an earlier turn."""
        taken = self._taken(notice["thread"])
        return taken is None or self._leases.at(taken) > notice["at"]

    def _interrupt(self, notice: Notice, heard: str | None) -> None:
        id_, run = notice["id"], self._threads.meant(notice["thread"], heard)
        if run is None:
            self._remember(id_, InterruptedElsewhere(ran=False, cut=False))
            self._answer(notice)
            return
        self._remember(id_, None)
        run.stop.request(heard)

        def ended() -> None:
            self._remember(id_, InterruptedElsewhere(ran=True, cut=run.stop.heard_applied))
            self._answer(notice)

        run.when_done(ended)

    def _remember(self, id_: str, found: InterruptedElsewhere | None) -> None:
        self._handled[id_] = found
        if len(self._handled) > _MOST_HANDLED:
            del self._handled[next(iter(self._handled))]

    def _answer(self, notice: Notice) -> None:
        found = self._handled[notice["id"]]
        if found is None:
            self._reply(notice, "interrupting")
        else:
            self._reply(notice, "interrupted", ran=found.ran, cut=found.cut)
