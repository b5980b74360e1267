"""Show a change of a text in one short line."""

import re
from difflib import SequenceMatcher

_CONTEXT = 3  # Unchanged words shown on each side of a change.
_LONGEST = 60  # Maximum length of one piece, in characters.


def text_diff(before: str, after: str) -> str:
    """Return the word-level difference between two texts: `called [-Bob-]{+Ada+} and likes`."""
    if before == after:
        return "(the same)"
    old, new = (re.findall(r"\s+|\w+|[^\w\s]", text) for text in (before, after))
    steps = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    pieces: list[str] = []
    for number, (kind, old_start, old_end, new_start, new_end) in enumerate(steps):
        if kind == "equal":
            first, last = number == 0, number == len(steps) - 1
            pieces.append(_around(old[old_start:old_end], first=first, last=last))
            continue
        if old_end > old_start:
            pieces.append(f"[-{_clipped(old[old_start:old_end])}-]")
        if new_end > new_start:
            pieces.append(f"{{+{_clipped(new[new_start:new_end])}+}}")
    return " ".join("".join(pieces).split())


def _around(words: list[str], *, first: bool, last: bool) -> str:
    """Return the unchanged words next to a change, with an ellipsis for those further off."""
    near = 2 * _CONTEXT  # Includes the blanks between words.
    left = [] if first else words[:near]
    right = [] if last else words[-near:]
    if len(left) + len(right) >= len(words):
        return "".join(words)
    return f"{''.join(left)}…{''.join(right)}"


def _clipped(words: list[str]) -> str:
    text = re.sub(r"\s+", " ", "".join(words))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
