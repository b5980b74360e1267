"""The search index of a database: what it does, whichever database it is."""

from collections.abc import Collection, Coroutine, Sequence
from typing import Any, Protocol

from ..agents.actors import Actor
from .likeness import Due
from .neighbours import RecallHit
from .ranking import Found
from .search import Numbers, Page, Wish


class SearchIndex(Protocol):
    """Full-text entries and vectors of messages and passages; it follows the database.

    Its functions cannot be broken off half-way, and raise `StorageError` for errors of the database.
    """

    def messages(self, actor: Actor, agent_id: str, wish: Wish) -> Coroutine[Any, Any, Page[RecallHit]]:
        """Return the messages of an agent that answer a wish. Raises `AgentNotFound`."""
        ...

    def passages(self, actor: Actor, agent_id: str, wish: Wish) -> Coroutine[Any, Any, Found]:
        """Return the numbers of an agent's passages that answer a wish. Raises `AgentNotFound`."""
        ...

    def index_some(self, numbers: tuple[int, int]) -> Coroutine[Any, Any, int]:
        """Take in some of what is due between two numbers; return how much it was, 0 at the end."""
        ...

    def erase_deleted(self, numbers: Numbers) -> Coroutine[Any, Any, int]:
        """Remove every trace of deleted messages and passages; return how much is left.

        Counted are entries and vectors without a message or passage, of those with these numbers and of what
        the index did not know to be deleted yet, and the pages of its log that stay.
        """
        ...

    def numbers_of(self, threads: Collection[str], passages: Collection[str]) -> Coroutine[Any, Any, Numbers]:
        """Return the numbers of these threads' messages and of these passages."""
        ...

    def count_entries(self, numbers: Numbers) -> Coroutine[Any, Any, int]:
        """Return how many entries and vectors have these numbers."""
        ...

    def wanted_model(self) -> Coroutine[Any, Any, str | None]:
        """Return the name of the model whose vectors the index holds or waits for, `None` for no vectors."""
        ...

    def want(self, model: str) -> Coroutine[Any, Any, None]:
        """Make every entry due that has no vector of this model; vectors of others go."""
        ...

    def take_due(self, model: str, most: int) -> Coroutine[Any, Any, list[Due]]:
        """Return some entries without a vector, none when the index waits for those of another model.

        They are the caller's for a while: other processes take others.
        """
        ...

    def give_back(self, due: Sequence[Due]) -> Coroutine[Any, Any, None]:
        """Let anybody take these entries, of which no vector was made."""
        ...

    def count_due(self) -> Coroutine[Any, Any, int]:
        """Return how many entries wait for a vector."""
        ...

    def keep(self, model: str, vectors: Sequence[tuple[Due, bytes | None]]) -> Coroutine[Any, Any, None]:
        """Keep vectors, `None` for a text that has none, unless its entry went or has another text by now."""
        ...

    def made(self, table: str, after: int, most: int) -> Coroutine[Any, Any, list[tuple[Due, bytes]]]:
        """Return vectors of the wanted model in `table`, with numbers behind `after`, in their order."""
        ...

    def close(self) -> Coroutine[Any, Any, None]:
        """Close what the index alone has open; the second time it does nothing."""
        ...
