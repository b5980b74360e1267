"""Whether a process can read and write its database."""

from collections.abc import Callable

from ..errors import StorageError


class StorageHealth:
    """The last failure of a database and its checkpoints; watchers are called with each failure."""

    def __init__(self) -> None:
        self.error: StorageError | None = None
        """The last failure; `None` once a trial write has succeeded after it."""
        self._watching: list[Callable[[StorageError], None]] = []

    def watch(self, call: Callable[[StorageError], None]) -> None:
        """Call `call` with each failure from now on, in the thread in which it happens."""
        self._watching.append(call)

    def failed(self, error: StorageError) -> None:
        """Note that the database could not be read or written."""
        self.error = error
        for call in self._watching:
            call(error)

    def recovered(self) -> None:
        """Note that a trial write succeeded."""
        self.error = None
