"""Text that every provider, database and client takes."""

import re
import unicodedata

from ..characters import whole_characters

_REFUSED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")
"""PostgreSQL refuses NUL, others further control characters and what Unicode calls no characters."""
_FLAG_LETTERS = "".join(map(chr, range(0x1F1E6, 0x1F200)))
_JOINER = "\u200d"
_LONGEST_CLUSTER = 32


def safe_text(text: str) -> str:
    """Return the text without characters that are refused somewhere; half a character is U+FFFD."""
    return _REFUSED.sub("", whole_characters(text))


def cut(text: str, limit: int) -> str:
    """Return at most `limit` characters, without a part of what is seen as one character at the end."""
    if len(text) <= limit:
        return text
    ends = range(limit, max(0, limit - _LONGEST_CLUSTER), -1)
    return text[: next((at for at in ends if not _continues(text, at)), limit)]


def _continues(text: str, at: int) -> bool:
    """Return true for a part of the character before: an accent, a joiner, a skin tone, half a flag."""
    character, before = text[at], text[max(0, at - _LONGEST_CLUSTER) : at]
    if character in _FLAG_LETTERS:  # Two letters make a flag.
        return (len(before) - len(before.rstrip(_FLAG_LETTERS))) % 2 == 1
    return (
        unicodedata.category(character) in ("Mn", "Mc", "Me")
        or before[-1:] == _JOINER
        or character == _JOINER
        or "\udc00" <= character <= "\udfff"
        or "\U0001f3fb" <= character <= "\U0001f3ff"
    )
