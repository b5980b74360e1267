"""The header of a message in a chat template: its role and its audience."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Purpose = Literal["speech", "thought", "call"]

_THOUGHTS = ("analysis", "thought", "thinking", "reasoning")
_CHANNELS = ("final", "commentary", *_THOUGHTS)
_OTHERS = ("user", "system", "developer", "tool", "functions", "function")
_NAMES = ("assistant", "model", *_CHANNELS, *_OTHERS)
_DETAILS = ("json", "code", "text")
_LONGEST = 160


@dataclass(frozen=True, slots=True)
class Header:
    """The purpose of the message after a header, and text that turned out not to belong to the header."""

    purpose: Purpose | None
    """`None` if it was not a header: the purpose of the text stays the same."""
    rest: str = ""


def read_header(text: str, *, ended: bool = False) -> Header | None:
    """Return the header at the start of a text, `None` while it may be incomplete.

    `text` is what follows `<|start|>`, `<|channel|>`, `<|im_start|>` and the like. A token that ends headers
    may have `ended` it; otherwise a line break does, or words that occur in no header.
    """
    begun = text.lstrip()
    line, newline, after = begun.partition("\n")
    words = line.split()
    if ended:
        return Header(_purpose(words))
    unfinished = words.pop() if words and not newline and not line[-1].isspace() else ""
    if all(map(_belongs, words)) and _may_belong(unfinished):
        if newline and words:
            return Header(_purpose(words), after)
        if len(text) <= _LONGEST:
            return None
    first = line.split()[0]
    if first in _CHANNELS and first != line:
        return Header(_purpose([first]), begun[len(first) :])
    return Header(None, text)


def _belongs(word: str) -> bool:
    return word in _NAMES or word in _DETAILS or word.startswith(("to=", "functions."))


def _may_belong(word: str) -> bool:
    known = (*_NAMES, *_DETAILS, "to=", "functions.")
    return _belongs(word) or any(name.startswith(word) for name in known)


def _purpose(words: Sequence[str]) -> Purpose:
    if any(word.startswith("to=") and word not in ("to=user", "to=all") for word in words):
        return "call"
    unheard = any(word in _THOUGHTS for word in words) or words[:1] and words[0].startswith(_OTHERS)
    return "thought" if unheard else "speech"
