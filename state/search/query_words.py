"""What a user's text asks the search index for: plain quoted words, never its query language."""

import re
import unicodedata
from dataclasses import dataclass

_WORD = re.compile(r"[^\W_]+")
LONGEST_WORD = 64
"""Of a longer word so many characters count."""

_MOST_WORDS = 32

# Words that stand in nearly every sentence or question tell nothing about what it is about.
_STOP_WORDS = frozenset(
    """
    a about am an and any are as at be been being but by can could d did do does doing don for from had has
    have having he her here him his how i if in is it its just ll m may me might must my no nor not of off on
    or our re s shall she should so t than that the their them then there these they this those to too us ve
    very was we were what when where which who whom whose why will with would you your
    """.split()
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The words of a query, each once, and which of them follow each other in it."""

    words: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]


def split_words(text: str) -> list[str]:
    """Return the words of a text in their order, in small letters: what is of letters and digits alone."""
    # An accent that is a character of its own would part a word.
    whole = text if text.isascii() else unicodedata.normalize("NFC", text)
    return _WORD.findall(whole.lower())


def wanted(query: str) -> Wanted:
    """Return what `query` asks for: its content words, or all its words when it has no others.

    Long queries are cut to their first 32 words. A query without letters and digits has no words.
    """
    spoken = [word[:LONGEST_WORD] for word in split_words(query)]
    content = [word for word in spoken if word not in _STOP_WORDS] or spoken
    words = tuple(dict.fromkeys(content))[:_MOST_WORDS]
    pairs = tuple((one, other) for one, other in zip(words, words[1:], strict=False))
    return Wanted(words, pairs)
