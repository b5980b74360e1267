"""Threads of an SQLite database: each process has those on which it runs turns, and shares none."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime

from langchain_core.runnables import RunnableConfig

from ...nodes.context import Context
from ...state.agents.thread_keys import thread_name
from ...state.conversations.journaled_turn import JournaledTurn
from ...state.database.name_locks import NoLocks
from ...state.database.retrying import retry_while_locked
from ...state.errors import ThreadBusy
from ...state.sqlite.process_lock import NoOtherProcess, ProcessLock
from .journaling import Journaling
from .known_threads import Known, KnownThreads
from .owner import NOTHING_RAN, RESUMED, Graph, InterruptedElsewhere, OwnedThread
from .running import TurnRun
from .running_checkpoint import running_checkpoint
from .turn_storage import TurnStorage


class LocalOwner:
    """The threads of a process on SQLite. Its `lock` shows which processes have the file open."""

    is_shared = False
    is_linked = True

    def __init__(
        self,
        lock: ProcessLock | NoOtherProcess,
        journaling: Journaling,
        known: KnownThreads,
        storage: TurnStorage,
    ) -> None:
        self.locks = NoLocks()
        self.lock, self.journaling, self.known_threads, self.storage = lock, journaling, known, storage
        self._openings: int = lock.openings()
        self.has_company: bool = False
        """True if another process had the file open when the last turn started."""

    @asynccontextmanager
    async def acquire(self, run: TurnRun, live: Context) -> AsyncGenerator[OwnedThread]:
        """Give the thread; `ThreadBusy` follows from `OwnedThread.unfinished`."""
        if self._was_visited():
            self.known_threads.cool_down()
        yield _LocalThread(self, run)

    def reserve(self, run: TurnRun) -> AbstractAsyncContextManager[object]:
        """Do nothing: processes share no threads."""
        return nullcontext()

    async def runs_elsewhere(self, key: str) -> bool:
        """Return false."""
        return False

    async def interrupt(self, key: str, heard: str | None) -> InterruptedElsewhere:
        """Return that nothing ran."""
        return NOTHING_RAN

    async def running(self, turns: Sequence[JournaledTurn]) -> Collection[JournaledTurn]:
        """Return the turns whose process has the file open."""
        return [turn for turn in turns if self.keeps(turn)]

    def keeps(self, turn: JournaledTurn) -> bool:
        """Return whether another process runs the turn."""
        return turn.process != self.lock.token and self.lock.is_alive(turn.process)

    def serve(self) -> None:
        """Be the one server of the file. Raises `InvalidSetting` if another one is."""
        self.lock.serve()

    def _was_visited(self) -> bool:
        """Return whether others had the file open since the last call, and none has it now."""
        openings, company = self.lock.openings(), not self.lock.is_alone()
        visited = not company and (self.has_company or openings != self._openings)
        self._openings, self.has_company = openings, company
        return visited


class _LocalThread:
    """A thread on which this process runs a turn."""

    is_claimed = False
    is_empty = False
    """True if the thread is new, and no deleted one of its name has left a checkpoint."""

    def __init__(self, owner: LocalOwner, run: TurnRun) -> None:
        self._owner, self._run, self._key = owner, run, run.thread_id

    def prepare(self, graph: Graph, live: Context) -> tuple[Graph, Context]:
        """Return the context with writes that are retried while the file is locked."""
        storage, key = self._owner.storage, self._key
        if graph.checkpointer is not storage.checkpointer:  # `langgraph dev` has its own.
            return graph, live
        seconds = storage.patience(self._run, live)
        storage.checkpointer.retry_writes(key, seconds)
        self._run.when_done(lambda: storage.checkpointer.retry_writes(key, None))

        async def storing(write: Callable[[], Awaitable[None]]) -> None:
            await retry_while_locked(write, seconds)

        async def written() -> None:
            await storage.checkpointer.until_written(key, running_checkpoint())

        return graph, replace(live, storing=storing, written=written)

    async def known(self, live: Context) -> tuple[str, Known]:
        """Return what was found when the thread was claimed, or what became of it since."""
        return await self._owner.known_threads.claim(live.actor, live.agent, live.thread_id)

    async def unfinished(self, known: Known, turn_id: str) -> tuple[Known, JournaledTurn | None]:
        """Return the turn that a crash left; in company the thread is claimed in the journal first."""
        has_company = self._owner.has_company
        if known == "warm" and has_company:
            known = "cold"
        if known != "cold" and turn_id and not has_company:
            if known == "new":
                self.is_empty = not await self._owner.storage.checkpointer.threads(self._key)
            return known, None
        left = await self._claim(turn_id or RESUMED)
        self.is_claimed = True
        return known, left

    async def _claim(self, turn_id: str) -> JournaledTurn | None:
        journaling, token = self._owner.journaling, self._owner.lock.token
        while True:
            left = await journaling.find(self._key)
            if left is not None:
                self.refuse_if_alive(left)
                await journaling.journal.take(left, token)
                return replace(left, process=token)
            now = datetime.now(UTC)
            if self._owner.lock.is_alone() or await journaling.journal.begin(self._key, turn_id, token, now):
                return None

    def was_deleted(self, known: Known) -> bool:
        """Return whether the thread was new when it was claimed."""
        return known == "new"

    def refuse_if_alive(self, left: JournaledTurn) -> None:
        """Raise `ThreadBusy` if another process runs the turn."""
        if self._owner.keeps(left):
            raise ThreadBusy(
                f"another process runs a turn on thread '{thread_name(left.thread_id)}': wait for its end, "
                "or use PostgreSQL, where processes share their threads"
            )

    async def read(self, config: RunnableConfig) -> None:
        """Do nothing: LangGraph's own read is fast."""

    async def checkpoints_written(self) -> None:
        """Wait for the checkpoints of the turn, which are in a separate file.

        If writing them fails, the journal gives the next turn what they lack.
        """
        checkpointer = self._owner.storage.checkpointer
        await checkpointer.until_written(self._key, running_checkpoint(), within=None)

    async def end(self) -> None:
        """Delete the thread's old checkpoints."""
        await self._owner.storage.prune(self._key)
