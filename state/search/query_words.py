"""The words of a query: plain quoted words, never the database's query language."""

import re
import unicodedata
from dataclasses import dataclass

_WORD = re.compile(r"[^\W_]+")
LONGEST_WORD = 64
"""Number of characters of a word that count."""

_MOST_WORDS = 32

# Words that are in nearly every sentence or question say nothing about its topic.
_STOP_WORDS = frozenset(
    """
    a about am an and any are as at be been being but by can could d did do does doing don for from had has
    have having he her here him his how i if in is it its just ll m may me might must my no nor not of off on
    or our re s shall she should so t than that the their them then there these they this those to too us ve
    very was we were what when where which who whom whose why will with would you your
    """.split()
)


@dataclass(frozen=True, slots=True)
class QueryWords:
    """The distinct words of a query, and the pairs that are adjacent in it."""

    words: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]


def split_words(text: str) -> list[str]:
    """Return the words of a text in order, in lower case: runs of letters and digits."""
    # A combining accent, which is a character of its own, would split a word.
    whole = text if text.isascii() else unicodedata.normalize("NFC", text)
    return _WORD.findall(whole.lower())


def query_words(query: str) -> QueryWords:
    """Return the content words of `query`, or all its words if it has no content words.

    Only the first 32 words count. A query without letters and digits has no words.
    """
    spoken = [word[:LONGEST_WORD] for word in split_words(query)]
    content = [word for word in spoken if word not in _STOP_WORDS] or spoken
    words = tuple(dict.fromkeys(content))[:_MOST_WORDS]
    pairs = tuple((one, other) for one, other in zip(words, words[1:], strict=False))
    return QueryWords(words, pairs)
