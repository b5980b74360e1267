"""Word-level differences between versions of a memory block."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from html import escape
from typing import Literal

from ...state.agents.blocks import Block, BlockVersion
from .html import html_page
from .picture import Maker, Saved

Text = str | Block | BlockVersion
Change = tuple[Literal["same", "gone", "new"], str]

_MARKS = {"same": ("", ""), "gone": ("[-", "-]"), "new": ("{+", "+}")}
_TAGS = {"same": ("", ""), "gone": ("<del>", "</del>"), "new": ("<ins><b>", "</b></ins>")}


@dataclass(frozen=True, slots=True)
class BlockDiff(Saved):
    """The pieces of two texts: unchanged, removed and added.

    Notebooks show removals struck out and additions underlined, `print` shows `called [-Bob-]{+Ada+}`.
    """

    title: str
    pieces: tuple[Change, ...]

    def __repr__(self) -> str:
        text = "".join(f"{_MARKS[kind][0]}{words}{_MARKS[kind][1]}" for kind, words in self.pieces)
        return f"{self.title}\n{text}" if self.title else text

    def _repr_html_(self) -> str:
        body = "".join(f"{_TAGS[kind][0]}{escape(words)}{_TAGS[kind][1]}" for kind, words in self.pieces)
        body = body.replace(
            "</del><ins>", "</del>&thinsp;<ins>"
        )  # Otherwise old and new would read as one word.
        title = f"<p><b>{escape(self.title)}</b></p>" if self.title else ""
        return f"{title}<p>{body.replace(chr(10), '<br>')}</p>"

    def _files(self) -> Mapping[str, Maker]:
        return {"html": lambda: html_page(self._repr_html_()), "txt": lambda: f"{self!r}\n"}


def diff_block(before: Text, after: Text, *, title: str | None = None) -> BlockDiff:
    """Return the difference between two blocks, versions of a block or plain texts.

    `title` is shown above it; the default names the versions.
    """
    pieces = tuple(_pieces(_words(before), _words(after)))
    return BlockDiff(_title(before, after) if title is None else title, pieces)


def _words(text: Text) -> list[str]:
    return re.findall(r"\s+|\w+|[^\w\s]", text if isinstance(text, str) else text.value)


def _title(before: Text, after: Text) -> str:
    if isinstance(before, str) or isinstance(after, str):
        return ""
    label = next((f"{text.label}: " for text in (after, before) if isinstance(text, Block)), "")
    author = f", by {after.changed_by}" if isinstance(after, BlockVersion) else ""
    return f"{label}version {before.version} to {after.version}{author}"


def _pieces(old: list[str], new: list[str]) -> Iterator[Change]:
    for kind, old_start, old_end, new_start, new_end in SequenceMatcher(
        None, old, new, autojunk=False
    ).get_opcodes():
        if kind == "equal":
            yield "same", "".join(old[old_start:old_end])
            continue
        if old_end > old_start:
            yield "gone", "".join(old[old_start:old_end])
        if new_end > new_start:
            yield "new", "".join(new[new_start:new_end])
