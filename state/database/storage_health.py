"""Record whether a process can read and write its database."""

from collections.abc import Callable

from ..errors import StorageError


class StorageHealth:
    """The last failure of a database or its checkpoints; each failure is passed to the watchers."""

    def __init__(self) -> None:
        self.error: StorageError | None = None
        """The last failure; `None` once a trial write has succeeded after it."""
        self._watching: list[Callable[[StorageError], None]] = []

    def watch(self, call: Callable[[StorageError], None]) -> None:
        """Call `call` with each later failure, in the thread where it happens."""
        self._watching.append(call)

    def failed(self, error: StorageError) -> None:
        """Record a failed read or write."""
        self.error = error
        for call in self._watching:
            call(error)

    def recovered(self) -> None:
        """Record a successful trial write."""
        self.error = None
