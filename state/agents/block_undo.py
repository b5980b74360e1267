"""Which version of a block an undo or a redo leads to: the history alone tells, nothing else is stored."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from ..errors import InvalidInput, NothingToUndo
from ..tables.names import checked_name

UNDO, REDO = "undo", "redo"
"""What the history names as the author of a version that an undo or a redo made."""


@dataclass(slots=True)
class UndoLine:
    """The versions that one can go back and forth on; the block stands at `place`."""

    versions: list[int] = field(default_factory=list[int])
    place: int = -1

    def earlier(self, label: str) -> int:
        """Return the version that an undo restores, or raise `NothingToUndo`."""
        if self.place < 1:
            raise NothingToUndo(f"block '{label}' is at its first text: there is nothing to undo")
        return self.versions[self.place - 1]

    def later(self, label: str) -> int:
        """Return the version that a redo restores, or raise `NothingToUndo`."""
        if self.place + 1 >= len(self.versions):
            raise NothingToUndo(f"block '{label}' has no undone change to bring back")
        return self.versions[self.place + 1]


def undo_line(history: Iterable[tuple[int, str]]) -> UndoLine:
    """Return where the block stands after its `history`: version and author, the first one first.

    An undo goes one text back and a redo one forth; any other change ends the way forth.
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
    """Return `changed_by` when a write may be kept under it, or raise `InvalidInput`."""
    if changed_by in (UNDO, REDO):
        raise InvalidInput(f"'{changed_by}' is not an author: only an undo and a redo are kept under it")
    return checked_name("author of a change", changed_by)
