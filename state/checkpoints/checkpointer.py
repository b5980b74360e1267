"""The checkpointer of LangGraph's states, with the functions that ours add to LangGraph's."""

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

from ..errors import StorageError
from .keyed_saver import KeyedSaver
from .pieces import Known
from .row_saver import RowSaver

LONGEST_WRITE = 5.0
"""Maximum seconds that a tool with side effects waits for its call to be written."""

_NEVER_WAITED_FOR = "~"
"""Greater than the id of any checkpoint."""


class Checkpointer(KeyedSaver, RowSaver):
    """An open checkpointer of either database, from `open_checkpointer`.

    LangGraph's functions take configurations; those defined here take keys of threads, see `thread_keys`.
    """

    @abstractmethod
    async def prune_thread(self, thread_id: str, keep: int) -> None:
        """Delete all but the newest `keep` checkpoints of a thread, with their data.

        LangGraph's savers keep all checkpoints, or only the newest. Ids are ordered by time (UUID version 6).
        Raises `StorageError`.
        """

    @abstractmethod
    async def prune_soon(self, thread_id: str, keep: int) -> None:
        """Do the same as `prune_thread`, in one write with the last checkpoint of the thread's turn."""

    @abstractmethod
    async def erase(self, thread_ids: Sequence[str]) -> None:
        """Delete all checkpoints of these threads; SQLite overwrites their contents in the file.

        Raises `StorageError`.
        """

    @abstractmethod
    async def count(self, thread_ids: Sequence[str]) -> dict[str, int]:
        """Return the number of rows of these threads in each table of the checkpointer."""

    @abstractmethod
    async def threads(self, thread_id: str | None = None) -> dict[tuple[str, str], int]:
        """Return the number of checkpoints by thread and namespace, for one thread or all."""

    async def try_write(self) -> None:
        """Check that checkpoints can be written. Raises `StorageError`.

        PostgreSQL's are in the database itself, which `Database.try_write` checks.
        """

    def retry_writes(self, thread_id: str, seconds: Callable[[], float] | None) -> None:
        """Retry writes for the thread while another program has an SQLite file locked.

        `seconds` returns the current limit; `None` ends the retrying. PostgreSQL has no such lock.
        """

    @contextmanager
    def turn_on(self, thread_id: str, *, each_step: bool = True, is_empty: bool = False) -> Generator[None]:
        """Give the turn in the body the cached head of the thread, and cache the one that it leaves.

        With `each_step`, LangGraph writes a checkpoint per step, otherwise one at the end
        (`durability="exit"`). A thread that `is_empty` is not read.
        """
        whole = False
        self.queue_of(thread_id).forgive(thread_id)
        self.newest[thread_id] = "" if each_step else _NEVER_WAITED_FOR
        self.heads.begin(thread_id, is_empty=is_empty)
        try:
            yield
            whole = True
        finally:
            self.queue_of(thread_id).encode(thread_id)
            known = self.known.pop(thread_id, Known())
            self.heads.end(thread_id, known, whole=whole and not self.has_failed(thread_id))
            self.newest.pop(thread_id, None)
            self.given.set()

    def has_failed(self, thread_id: str) -> bool:
        """Return whether a write of the thread's turn was lost."""
        return self.queue_of(thread_id).has_failed(thread_id)

    async def until_written(
        self, thread_id: str, checkpoint_id: str | None, *, within: float | None = LONGEST_WRITE
    ) -> None:
        """Wait until a checkpoint of the thread's turn and all earlier ones are written.

        LangGraph passes it to the checkpointer in a separate task, maybe after starting the next step. Raises
        `StorageError` if that takes longer than `within` seconds, or a write has failed.
        """
        try:
            async with asyncio.timeout(within):
                await self._until_given(thread_id, checkpoint_id or "")
                await self.queue_of(thread_id).until_written(thread_id)
        except TimeoutError as error:
            raise StorageError(
                "the step could not be written: the database is away, too slow or full"
            ) from error

    async def _until_given(self, thread_id: str, checkpoint_id: str) -> None:
        while self.newest.get(thread_id, _NEVER_WAITED_FOR) < checkpoint_id:
            self.given.clear()
            await self.given.wait()
