"""Exclusive ownership of a thread for one turn (PostgreSQL)."""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, cast

from langchain_core.runnables import RunnableConfig

from ...nodes.context import Context
from ...state.database.retrying import until_unlocked
from ..resources import Resources
from ..threads.running import TurnRun
from ..threads.running_checkpoint import running_checkpoint

if TYPE_CHECKING:
    from ...state.postgres.leases import Lease
    from ...state.postgres.patience import Patience
    from ...state.postgres.turn_saver import TurnSaver

_BEFORE_A_WORD = 2.0
"""Maximum seconds of retrying to store before the first word of an answer; then an apology is spoken."""

_WAITED_FOR = 5.0
"""The same while a newer turn of the thread waits, whose caller hears at most a filler."""

_BEFORE_A_SIDE_EFFECT = 5.0
"""Maximum seconds that a tool with side effects waits until its call is stored: a crash might repeat it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldThread:
    """A thread owned by one turn, with access to its checkpoints."""

    lease: "Lease"
    saver: "TurnSaver"
    patience: "Patience"

    def context(self, live: Context) -> Context:
        """Return the context whose writes are retried while the database is unreachable."""
        return replace(
            live, storing=self.patience.write, written=lambda: self.saver.written(_BEFORE_A_SIDE_EFFECT)
        )

    async def known(
        self, resources: Resources, live: Context, known: Literal["warm", "cold", "new"]
    ) -> tuple[str, Literal["warm", "cold"]]:
        """Return the thread's agent, and `warm` if its last turn has ended and was run by this process.

        Otherwise another process may have run turns on it since, died in one, or deleted it. Raises
        `ThreadTaken`, `AgentNotFound`.
        """
        facts, key = self.lease.facts, live.thread_key
        owner = (facts.organization_id, facts.user_id, facts.agent_id)
        if owner != resources.owner_ids(key):
            resources.forget_thread(key)
            known = "cold"
        agent, _ = await resources.claim(live.actor, live.agent, live.thread_id)
        warm = known == "warm" and facts.head == resources.heads.get(key)
        return agent, "warm" if warm else "cold"

    async def read(self, config: RunnableConfig) -> None:
        """Read the newest checkpoint, so that LangGraph does not wait for it. Raises `StorageError`."""
        await self.saver.aget_tuple(config)

    async def end(self, resources: Resources) -> None:
        """Record the thread's state at the end of the turn, and delete its old checkpoints."""
        if self.lease.head is not None and resources.owner_ids(self.lease.thread_id) is not None:
            resources.heads[self.lease.thread_id] = self.lease.head
        await resources.prune(self.lease.thread_id)


def unheld(resources: Resources, run: TurnRun, live: Context) -> Context:
    """Return the context of a turn on SQLite, whose writes are retried while the file is locked."""
    seconds = storing_seconds(resources, run, live)
    resources.checkpointer.write_patiently(run.thread_id, seconds)
    run.when_done(lambda: resources.checkpointer.write_patiently(run.thread_id, None))

    async def storing(write: Callable[[], Awaitable[None]]) -> None:
        await until_unlocked(write, seconds)

    return replace(
        live,
        storing=storing,
        written=lambda: resources.checkpointer.until_written(run.thread_id, running_checkpoint()),
    )


def storing_seconds(resources: Resources, run: TurnRun, live: Context) -> Callable[[], float]:
    """Return a function that returns how long storing may take."""

    def seconds() -> float:
        silent = not live.speaker.answered and not run.stop.requested
        if not run.kept and silent:
            return _BEFORE_A_WORD
        waited_for = resources.threads.running(run.thread_id) is not run
        patience = resources.settings.storage_patience if time.monotonic() < resources.stores_until else 0.0
        return min(patience, _WAITED_FOR) if waited_for else patience

    return seconds


@asynccontextmanager
async def held_thread(resources: Resources, run: TurnRun, live: Context) -> AsyncGenerator[HeldThread | None]:
    """Own the run's thread during the body; yields `None` on SQLite, which serves one process.

    Raises `ThreadBusy` and `StorageError`.
    """
    if resources.others is None:
        yield None
        return
    from ...state.postgres.checkpoints import PostgresSaver
    from ...state.postgres.patience import Patience
    from ...state.postgres.turn_saver import TurnSaver

    seconds = storing_seconds(resources, run, live)
    # Resuming a crashed turn must not stop a running one.
    async with resources.others.owning(run, "reject" if live.resumed else None) as lease:
        patience = Patience(lease, seconds)
        saver = TurnSaver(cast(PostgresSaver, resources.checkpointer), patience)
        yield HeldThread(lease=lease, saver=saver, patience=patience)
