"""Locks by name that all processes of a database see."""

from typing import Protocol


class NameLocks(Protocol):
    """Locks things of a kind by their names."""

    async def lock(self, what: str, name: str) -> bool:
        """Lock the `what` of this name; return false if another process has it. Raises `StorageError`.

        Within a process it can be locked again. The lock ends with the process.
        """
        ...

    async def unlock(self, what: str, name: str) -> None:
        """Free it."""
        ...


class NoLocks:
    """For SQLite, whose processes do not see each other's work: everything is free."""

    async def lock(self, what: str, name: str) -> bool:
        """Return true."""
        return True

    async def unlock(self, what: str, name: str) -> None:
        """Do nothing."""
