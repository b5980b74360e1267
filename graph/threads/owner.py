"""The owner of a process's threads, as `local_owner` (SQLite) and `postgres_owner` implement it."""

from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from langchain_core.runnables import RunnableConfig
from langgraph.graph.state import CompiledStateGraph

from ...nodes.context import Context
from ...state.conversations.journaled_turn import JournaledTurn
from ...state.database.name_locks import NameLocks
from .journaling import Journaling
from .known_threads import Known
from .running import TurnRun

Graph = TypeVar("Graph", bound=CompiledStateGraph[Any, Any, Any, Any])

RESUMED = "resumed"
"""Placeholder for the id of a resumed turn until it is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InterruptedElsewhere:
    """The outcome in another process: whether a turn `ran` there, now ended, and its reply was `cut`."""

    ran: bool
    cut: bool


NOTHING_RAN = InterruptedElsewhere(ran=False, cut=False)


class OwnedThread(Protocol):
    """A thread that one turn has for itself."""

    is_claimed: bool
    """True if `unfinished` has claimed the thread in the journal."""

    @property
    def is_empty(self) -> bool:
        """True if the thread certainly has no checkpoint."""
        ...

    def prepare(self, graph: Graph, live: Context) -> tuple[Graph, Context]:
        """Return the graph and context of the turn, whose writes are retried as long as they may be."""
        ...

    async def known(self, live: Context) -> tuple[str, Known]:
        """Return the thread's agent, and how well this process knows the thread.

        Raises `ThreadTaken`, `AgentNotFound`.
        """
        ...

    async def unfinished(self, known: Known, turn_id: str) -> tuple[Known, JournaledTurn | None]:
        """Return how well the thread is known, and its unfinished turn, if any; `turn_id` is the new one's.

        Raises `ThreadBusy` if another process, which does not share its threads, runs a turn on it.
        """
        ...

    def was_deleted(self, known: Known) -> bool:
        """Return whether checkpoints of the thread, if there are any, are of a deleted one."""
        ...

    def refuse_if_alive(self, left: JournaledTurn) -> None:
        """Raise `ThreadBusy` if another process runs the turn."""
        ...

    async def read(self, config: RunnableConfig) -> None:
        """Read the newest checkpoint if it has to be waited for. Raises `StorageError`."""
        ...

    async def checkpoints_written(self) -> None:
        """Wait for checkpoints whose loss the journal must make up for. Raises `StorageError`."""
        ...

    async def end(self) -> None:
        """Note the thread's state at the end of its turn, and delete its old checkpoints."""
        ...


class ThreadOwner(Protocol):
    """Gives threads to the turns of this process, and reaches turns of others. Threads are given by key."""

    journaling: Journaling
    is_shared: bool
    """True if other processes may run turns on the same threads."""

    @property
    def locks(self) -> NameLocks:
        """Locks that all processes of the database see."""
        ...

    @property
    def is_linked(self) -> bool:
        """False while the database is unreachable: then no turn can start."""
        ...

    def acquire(self, run: TurnRun, live: Context) -> AbstractAsyncContextManager[OwnedThread]:
        """Have the run's thread for its turn during the body.

        A turn of another process on it is stopped, waited for or left alone, as for turns of one process.
        Raises `ThreadBusy` and `StorageError`.
        """
        ...

    def reserve(self, run: TurnRun) -> AbstractAsyncContextManager[object]:
        """Keep other processes off the run's thread during the body, once their turn has ended.

        Raises `ThreadBusy` and `StorageError`.
        """
        ...

    async def runs_elsewhere(self, key: str) -> bool:
        """Return whether another process has the thread. Raises `StorageError`."""
        ...

    async def interrupt(self, key: str, heard: str | None) -> InterruptedElsewhere:
        """Interrupt the thread's turn in the process that runs it, and wait for its end.

        Raises `StorageError`.
        """
        ...

    async def running(self, turns: Sequence[JournaledTurn]) -> Collection[JournaledTurn]:
        """Return those of the journaled turns that other processes still run. Raises `StorageError`."""
        ...

    def keeps(self, turn: JournaledTurn) -> bool:
        """Return whether another process runs the turn and does not share its threads."""
        ...

    def serve(self) -> None:
        """Take part as a server. Raises `InvalidSetting` if another one has the SQLite file."""
        ...
