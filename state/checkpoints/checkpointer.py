"""The checkpointer of LangGraph's states, with the functions that ours add to LangGraph's."""

from abc import abstractmethod
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

from .head_cache import HeadCache
from .keyed_saver import KeyedSaver

LONGEST_WRITE = 5.0
"""Maximum seconds that a tool with side effects waits for its call to be written."""


class Checkpointer(KeyedSaver):
    """An open checkpointer of either database, from `open_checkpointer`.

    LangGraph's functions take configurations; those defined here take keys of threads, see `thread_keys`.
    """

    heads: HeadCache

    @abstractmethod
    async def prune_thread(self, thread_id: str, keep: int) -> None:
        """Delete all but the newest `keep` checkpoints of a thread, with their data.

        LangGraph's savers keep all checkpoints, or only the newest. Ids are ordered by time (UUID version 6).
        Raises `StorageError`.
        """

    async def prune_soon(self, thread_id: str, keep: int) -> None:
        """Do the same as `prune_thread`, in one write with the last checkpoint of the thread's turn."""
        await self.prune_thread(thread_id, keep)

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
    def turn_on(self, thread_id: str, *, each_step: bool = True) -> Generator[None]:
        """Give the turn in the body the cached head of the thread, and cache the one that it leaves.

        With `each_step`, LangGraph writes a checkpoint per step, otherwise one at the end
        (`durability="exit"`).
        """
        whole = False
        self.heads.begin(thread_id)
        try:
            yield
            whole = True
        finally:
            self.heads.end(thread_id, whole=whole and not self.has_failed(thread_id))

    def has_failed(self, thread_id: str) -> bool:
        """Return whether writing a checkpoint of the thread's turn failed without raising an error yet."""
        return False

    async def until_written(
        self, thread_id: str, checkpoint_id: str | None, *, within: float | None = LONGEST_WRITE
    ) -> None:
        """Wait until a checkpoint of the thread's turn and all earlier ones are written (SQLite).

        LangGraph passes it to the checkpointer in a separate task, maybe after starting the next step. Raises
        `StorageError` if that takes longer than `within` seconds, or a write has failed.
        """
