"""Text that every provider, database and client accepts."""

import re

import regex

from ...text.characters import whole_characters

_REFUSED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")
"""PostgreSQL refuses NUL; other systems refuse other control characters and noncharacters."""
_CLUSTER = regex.compile(r"\X")
_LONGEST_CLUSTER = 64


def safe_text(text: str) -> str:
    """Return the text without characters that are refused somewhere; unpaired surrogates become U+FFFD."""
    return _REFUSED.sub("", whole_characters(text))


def cut(text: str, limit: int) -> str:
    """Return at most `limit` characters, without splitting a grapheme cluster such as an emoji."""
    if len(text) <= limit:
        return text
    whole = whole_characters(text[: limit + _LONGEST_CLUSTER])
    start = max(0, limit - _LONGEST_CLUSTER)
    ends = [found.end() for found in _CLUSTER.finditer(whole, start)]
    return whole[: max((end for end in ends if end <= limit), default=limit)]
