"""Long texts cut into pieces, at the ends of sentences where they can be."""

import re

LONGEST_PIECE = 1000
"""Characters that a piece has at most."""

# The best places first: between paragraphs, after a sentence in any script, at a line's end, between words.
_PLACES = tuple(
    re.compile(pattern)
    for pattern in (r"\n\s*\n", r"(?<=[.!?…。！？؟۔।])[\"'”’»)\]]*\s+|(?<=[。！？])", r"\n", r"\s+")
)


def cut_text(text: str, longest: int = LONGEST_PIECE) -> list[str]:
    """Return `text` without blanks around it, in pieces of at most `longest` characters.

    A short text is one piece, as it is. Nothing but blanks between the pieces is lost.
    """
    if len(text) <= longest:
        return [text]
    pieces: list[str] = []
    rest = text.strip()
    while len(rest) > longest:
        end = _cut_at(rest, longest)
        pieces.append(rest[:end].rstrip())
        rest = rest[end:].lstrip()
    return [*pieces, rest]


def _cut_at(text: str, longest: int) -> int:
    """Return where the first piece ends: at the last good place of its second half, or hard at its limit."""
    head = text[: longest + 1]
    for place in _PLACES:
        ends = [
            found.end()
            for found in place.finditer(head)
            if longest // 2 <= len(head[: found.end()].rstrip()) <= longest
        ]
        if ends:
            return ends[-1]
    return longest
