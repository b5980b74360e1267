"""Write the JSON of a memory file piece by piece."""

from collections.abc import Callable, Collection

from pydantic import BaseModel

_PIECE = 65_536
"""Approximate number of characters per write."""


class MemoryJson:
    """Writes indented JSON, in pydantic's format, while its parts are still arriving.

    A part is an object. Lists of other parts are the last fields of it.
    """

    def __init__(self, write: Callable[[bytes], object]) -> None:
        """Pass the output to `write`."""
        self._write = write
        self._waiting: list[str] = []
        self._size = 0
        self._empty: list[bool] = []
        """Whether each open list is empty, the innermost last."""

    def begin_part(self, part: BaseModel, lists: Collection[str]) -> None:
        """Begin a part, without its fields `lists`."""
        if self._empty:
            self._put("" if self._empty[-1] else ",")
            self._put(f"\n{self._indent}")
            self._empty[-1] = False
        text = part.model_dump_json(indent=1, exclude=set(lists)).removesuffix("\n}")
        self._put(text.replace("\n", f"\n{self._indent}"))

    def end_part(self) -> None:
        """End the innermost part."""
        self._put(f"\n{self._indent}}}")
        if not self._empty:
            self._put("\n")
            self._give()

    def begin_list(self, name: str) -> None:
        """Begin a list in the innermost part."""
        self._put(f',\n{self._indent} "{name}": [')
        self._empty.append(True)

    def end_list(self) -> None:
        """End the innermost list."""
        empty = self._empty.pop()
        self._put("]" if empty else f"\n{self._indent} ]")

    @property
    def _indent(self) -> str:
        return "  " * len(self._empty)

    def _put(self, text: str) -> None:
        self._waiting.append(text)
        self._size += len(text)
        if self._size >= _PIECE:
            self._give()

    def _give(self) -> None:
        self._write("".join(self._waiting).encode())
        self._waiting, self._size = [], 0
