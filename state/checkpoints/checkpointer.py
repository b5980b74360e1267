"""Where LangGraph keeps the state of each thread between steps: what our savers do besides its own."""

from abc import abstractmethod
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

from .kept_heads import KeptHeads
from .keyed_saver import KeyedSaver

LONGEST_WRITE = 5.0
"""Seconds that a tool with side effects waits until its call is written."""


class Checkpointer(KeyedSaver):
    """An open saver, of either database; `open_checkpointer` makes one.

    LangGraph's functions take configurations, those defined here the keys of threads, see `thread_keys`.
    """

    heads: KeptHeads

    @abstractmethod
    async def prune_thread(self, thread_id: str, keep: int) -> None:
        """Delete all but the newest `keep` checkpoints of a thread, and what belongs to them.

        LangGraph's savers keep all for ever, or the newest alone. Ids are ordered by time (UUID version 6).
        Raises `StorageError`.
        """

    async def prune_soon(self, thread_id: str, keep: int) -> None:
        """Do what `prune_thread` does, together with what the turn of the thread wrote last."""
        await self.prune_thread(thread_id, keep)

    @abstractmethod
    async def erase(self, thread_ids: Sequence[str]) -> None:
        """Delete all checkpoints of these threads; SQLite overwrites in the file what they held.

        Raises `StorageError`.
        """

    @abstractmethod
    async def count(self, thread_ids: Sequence[str]) -> dict[str, int]:
        """Return how many rows of each of the saver's tables belong to these threads."""

    @abstractmethod
    async def threads(self, thread_id: str | None = None) -> dict[tuple[str, str], int]:
        """Return the number of checkpoints by thread and name space, of all threads or of one."""

    async def try_write(self) -> None:
        """Check that checkpoints can be written. Raises `StorageError`.

        PostgreSQL's are in the database itself, which `Database.try_write` checks.
        """

    def write_patiently(self, thread_id: str, seconds: Callable[[], float] | None) -> None:
        """Let writes for the thread be tried again while another program has an SQLite file locked.

        `seconds` gives how long that may take now; `None` ends it. PostgreSQL has no such lock.
        """

    @contextmanager
    def turn_on(self, thread_id: str, *, each_step: bool = True) -> Generator[None]:
        """Give the turn in the body what the one before left in memory, and keep what it leaves.

        With `each_step` LangGraph writes a checkpoint a step, else one at the end (`durability="exit"`).
        """
        whole = False
        self.heads.begin(thread_id)
        try:
            yield
            whole = True
        finally:
            self.heads.end(thread_id, whole=whole and not self.has_failed(thread_id))

    def has_failed(self, thread_id: str) -> bool:
        """Return whether a checkpoint of the thread's turn could not be written and nobody was told."""
        return False

    async def until_written(
        self, thread_id: str, checkpoint_id: str | None, *, within: float | None = LONGEST_WRITE
    ) -> None:
        """Wait until a checkpoint of the thread's turn and all before it are written, on SQLite.

        LangGraph makes it over to the saver in a task of its own, perhaps later than it begins the step that
        follows. Raises `StorageError` when that takes longer than `within` seconds, or a write has failed.
        """
