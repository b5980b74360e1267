"""Find the version that an undo or redo restores; it follows from the history, nothing else is stored."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from ..errors import InvalidInput, NothingToUndo
from ..tables.names import checked_name

UNDO, REDO = "undo", "redo"
"""Authors in the history of versions made by an undo or a redo."""


@dataclass(slots=True)
class UndoLine:
    """The versions that undo and redo move along; `place` is the current one."""

    versions: list[int] = field(default_factory=list[int])
    place: int = -1

    def earlier(self, label: str) -> int:
        """Return the version that an undo restores. Raises `NothingToUndo`."""
        if self.place < 1:
            raise NothingToUndo(f"block '{label}' is at its first text: there is nothing to undo")
        return self.versions[self.place - 1]

    def later(self, label: str) -> int:
        """Return the version that a redo restores. Raises `NothingToUndo`."""
        if self.place + 1 >= len(self.versions):
            raise NothingToUndo(f"block '{label}' has no undone change to redo")
        return self.versions[self.place + 1]


def undo_line(history: Iterable[tuple[int, str]]) -> UndoLine:
    """Return the undo line for a `history` of version and author, first to last.

    An undo moves one text back and a redo one forward; any other change discards what could be redone.
    """
    line = UndoLine()
    for version, changed_by in history:
        if changed_by == UNDO and line.place > 0:
            line.place -= 1
        elif changed_by == REDO and line.place + 1 < len(line.versions):
            line.place += 1
        else:
            line.place += 1
            line.versions[line.place :] = [version]
    return line


def checked_author(changed_by: str) -> str:
    """Return `changed_by` if it can be the author of a change. Raises `InvalidInput`."""
    if changed_by in (UNDO, REDO):
        raise InvalidInput(f"'{changed_by}' cannot be an author: it is reserved for an undo or a redo")
    return checked_name("author of a change", changed_by)
