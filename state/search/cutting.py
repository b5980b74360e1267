"""Cut long texts into pieces, at the ends of sentences if possible."""

import re

LONGEST_PIECE = 1000
"""Maximum number of characters of a piece."""

# Best first: between paragraphs, after a sentence in any script, at the end of a line, between words.
_PLACES = tuple(
    re.compile(pattern)
    for pattern in (r"\n\s*\n", r"(?<=[.!?…。！？؟۔।])[\"'”’»)\]]*\s+|(?<=[。！？])", r"\n", r"\s+")
)


def cut_text(text: str, longest: int = LONGEST_PIECE) -> list[str]:
    """Return `text`, stripped, in pieces of at most `longest` characters.

    A short text is one piece, unchanged. Only whitespace between pieces is lost.
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
    """Return the end of the first piece: the last good place in its second half, or else `longest`."""
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
