"""Threads of a PostgreSQL database: processes share them, and one at a time has a thread."""

from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from copy import copy
from dataclasses import replace
from typing import cast

from langchain_core.runnables import RunnableConfig

from ...nodes.context import Context
from ...state.conversations.journaled_turn import JournaledTurn
from ...state.postgres.checkpoints import PostgresSaver
from ...state.postgres.leases import Leases
from ...state.postgres.patience import Patience
from .journaling import Journaling
from .known_threads import Known, KnownThreads
from .other_processes import OtherProcesses
from .owner import Graph, InterruptedElsewhere, OwnedThread
from .running import TurnRun
from .running_checkpoint import running_checkpoint
from .turn_storage import TurnStorage


class PostgresOwner:
    """The threads of a process on PostgreSQL, by leases."""

    is_shared = True

    def __init__(
        self,
        leases: Leases,
        others: OtherProcesses,
        journaling: Journaling,
        known: KnownThreads,
        storage: TurnStorage,
    ) -> None:
        self.locks = self._leases = leases
        self.others, self.journaling, self.known_threads, self.storage = others, journaling, known, storage

    @property
    def is_linked(self) -> bool:
        """False while the database is unreachable: then no turn can start."""
        return self._leases.is_up

    @asynccontextmanager
    async def acquire(self, run: TurnRun, live: Context) -> AsyncGenerator[OwnedThread]:
        """Give the thread once no other process has it. Raises `ThreadBusy` and `StorageError`."""
        # Resuming a crashed turn must not stop a running one.
        async with self.others.owning(run, "reject" if live.resumed else None) as lease:
            patience = Patience(lease, self.storage.patience(run, live))
            saver = cast(PostgresSaver, self.storage.checkpointer)
            async with saver.holding(patience):
                yield _LeasedThread(self, patience, saver)

    def reserve(self, run: TurnRun) -> AbstractAsyncContextManager[object]:
        """Wait for the turn of another process, and keep others off. Raises `ThreadBusy`, `StorageError`."""
        return self.others.owning(run, "enqueue")

    async def runs_elsewhere(self, key: str) -> bool:
        """Return whether another process has the thread. Raises `StorageError`."""
        return await self.others.have(key)

    async def interrupt(self, key: str, heard: str | None) -> InterruptedElsewhere:
        """Interrupt the thread's turn in the process that runs it, and wait for its end.

        The database session of a process that does not answer is terminated. Raises `StorageError`.
        """
        return await self.others.interrupt(key, heard)

    async def running(self, turns: Sequence[JournaledTurn]) -> Collection[JournaledTurn]:
        """Return the turns whose threads a process has. Raises `StorageError`."""
        held = await self._leases.held(turn.thread_id for turn in turns)
        return [turn for turn in turns if turn.thread_id in held]

    def keeps(self, turn: JournaledTurn) -> bool:
        """Return false: processes share their threads."""
        return False

    def serve(self) -> None:
        """Do nothing: there may be many servers."""


class _LeasedThread:
    """A thread that a turn has by a lease; what others may have done to it meanwhile is in the lease."""

    is_claimed = False

    def __init__(self, owner: PostgresOwner, patience: Patience, saver: PostgresSaver) -> None:
        self._owner, self._lease, self._patience, self._saver = owner, patience.lease, patience, saver

    @property
    def is_empty(self) -> bool:
        """True if the thread has no checkpoint."""
        return self._lease.head is None

    def prepare(self, graph: Graph, live: Context) -> tuple[Graph, Context]:
        """Return the graph with our checkpointer; writes are retried while the database is away."""
        own = copy(graph)  # LangGraph's `copy` takes ten times as long.
        own.checkpointer = self._saver

        async def written() -> None:
            await self._saver.until_written(self._lease.thread_id, running_checkpoint())

        return own, replace(live, storing=self._patience.write, written=written)

    async def known(self, live: Context) -> tuple[str, Known]:
        """Return the agent, and `warm` if the thread's last turn has ended and was run by this process.

        Otherwise another process may have run turns on it since, died in one, or deleted it. Raises
        `ThreadTaken`, `AgentNotFound`.
        """
        facts, key, threads = self._lease.facts, live.thread_key, self._owner.known_threads
        if (facts.organization_id, facts.user_id, facts.agent_id) != threads.owner_ids(key):
            threads.forget(key)
        agent, known = await threads.claim(live.actor, live.agent, live.thread_id)
        warm = known == "warm" and facts.head == threads.heads.get(key)
        return agent, "warm" if warm else "cold"

    async def unfinished(self, known: Known, turn_id: str) -> tuple[Known, JournaledTurn | None]:
        """Return the turn that a crash or an outage left."""
        journaling, key = self._owner.journaling, self._lease.thread_id
        any_left = self._lease.facts.left or journaling.has_unwritten(key)
        left = await journaling.find(key) if any_left else None
        return known if left is None else "cold", left

    def was_deleted(self, known: Known) -> bool:
        """Return whether no messages of the thread are stored."""
        return not self._lease.facts.said

    def refuse_if_alive(self, left: JournaledTurn) -> None:
        """Do nothing: the lease shows that nobody else runs a turn."""

    async def read(self, config: RunnableConfig) -> None:
        """Read the newest checkpoint, so that LangGraph does not wait for it. Raises `StorageError`."""
        await self._saver.aget_tuple(config)

    async def checkpoints_written(self) -> None:
        """Wait for the checkpoints of the turn, which are in transactions of their own.

        If writing them fails, the journal gives the next turn what they lack.
        """
        await self._saver.until_written(self._lease.thread_id, running_checkpoint(), within=None)

    async def end(self) -> None:
        """Delete old checkpoints, and note the newest one."""
        key, threads = self._lease.thread_id, self._owner.known_threads
        await self._owner.storage.prune(key)  # It also waits until the newest one is written.
        if self._lease.head is not None and threads.owner_ids(key) is not None:
            threads.heads[key] = self._lease.head
