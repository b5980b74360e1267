"""The interface of a database's search index."""

from collections.abc import Collection, Coroutine, Sequence
from typing import Any, Protocol

from ..agents.actors import Actor
from .neighbours import RecallHit
from .ranking import Found
from .search import Numbers, Page, SearchQuery
from .similarity import Due


class SearchIndex(Protocol):
    """Full-text entries and vectors of messages and passages, updated from the database.

    Its functions run to completion even if cancelled, and raise `StorageError` for database errors.
    """

    def messages(
        self, actor: Actor, agent_id: str, search: SearchQuery
    ) -> Coroutine[Any, Any, Page[RecallHit]]:
        """Return the messages of an agent that match a query. Raises `AgentNotFound`."""
        ...

    def passages(self, actor: Actor, agent_id: str, search: SearchQuery) -> Coroutine[Any, Any, Found]:
        """Return the numbers of an agent's passages that match a query. Raises `AgentNotFound`."""
        ...

    def index_some(self, numbers: tuple[int, int]) -> Coroutine[Any, Any, int]:
        """Index some of the due rows between two numbers; return how many, 0 when done."""
        ...

    def erase_deleted(self, numbers: Numbers) -> Coroutine[Any, Any, int]:
        """Remove every trace of deleted messages and passages; return how much is left.

        This counts entries and vectors without a message or passage, among `numbers` and pending removals,
        and the pages left in the index's write-ahead log.
        """
        ...

    def numbers_of(self, threads: Collection[str], passages: Collection[str]) -> Coroutine[Any, Any, Numbers]:
        """Return the numbers of these threads' messages and of these passages."""
        ...

    def count_entries(self, numbers: Numbers) -> Coroutine[Any, Any, int]:
        """Return the number of entries and vectors with these numbers."""
        ...

    def wanted_model(self) -> Coroutine[Any, Any, str | None]:
        """Return the model whose vectors the index holds or waits for, `None` for no vectors."""
        ...

    def want(self, model: str) -> Coroutine[Any, Any, None]:
        """Mark every entry without a vector of this model as due; delete vectors of other models."""
        ...

    def take_due(self, model: str, most: int) -> Coroutine[Any, Any, list[Due]]:
        """Return some entries without a vector, none if the index waits for those of another model.

        They are reserved for the caller for a while: other processes get others.
        """
        ...

    def give_back(self, due: Sequence[Due]) -> Coroutine[Any, Any, None]:
        """Release reserved entries that were not embedded."""
        ...

    def count_due(self) -> Coroutine[Any, Any, int]:
        """Return the number of entries that wait for a vector."""
        ...

    def keep(self, model: str, vectors: Sequence[tuple[Due, bytes | None]]) -> Coroutine[Any, Any, None]:
        """Store vectors, `None` for a text without one, unless its entry was deleted or changed meanwhile."""
        ...

    def made(self, table: str, after: int, most: int) -> Coroutine[Any, Any, list[tuple[Due, bytes]]]:
        """Return vectors of the wanted model in `table` with numbers after `after`, in order."""
        ...

    def close(self) -> Coroutine[Any, Any, None]:
        """Close the index's own resources; closing again does nothing."""
        ...
