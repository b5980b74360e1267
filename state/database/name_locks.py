"""Named locks that are shared by all processes of a database."""

from typing import Protocol


class NameLocks(Protocol):
    """Locks on objects of a kind, by name."""

    async def lock(self, what: str, name: str) -> bool:
        """Lock the `what` of this name; return false if another process has it. Raises `StorageError`.

        The same process can take it again. The lock is released when the process ends.
        """
        ...

    async def unlock(self, what: str, name: str) -> None:
        """Release the lock."""
        ...


class NoLocks:
    """For SQLite, whose processes do not share locks: every lock is free."""

    async def lock(self, what: str, name: str) -> bool:
        """Return true."""
        return True

    async def unlock(self, what: str, name: str) -> None:
        """Do nothing."""
