"""Entries of PostgreSQL's index: stems of words, each prefixed with the number of its agent.

With the prefix, a search in one agent touches no other agent's entries, with an index (GIN) that every
PostgreSQL has: 13 MB for 100,000 messages. A table with one row per word takes 850 MB.

Words are split here in the same way as in queries: PostgreSQL's own parser treats numbers, addresses and
hyphens in a text differently than in a query.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, text

from ...search.query_words import LONGEST_WORD, split_words

TEXT, OWN, CONTEXT = ":", "=", "~"
"""Separators between an agent's number and a stem: for words of the text, by which its neighbours are found
too; for words by which the entry alone is found; and for words around it."""

_MOST_WORDS = 10_000
"""Number of words of a text that are indexed: an entry is limited to a megabyte and 16,383 positions."""
_MOST_PLACES = 200  # Per word; PostgreSQL stores at most 255.
_LONGEST_TEXT = 150_000
_MOST_STEMS = 100_000

_ACCENTS = re.compile("[\u0300-\u036f]")
# PostgreSQL's stemmer returns nothing for stop words: they are kept unchanged.
_STEM = text(
    "SELECT word, coalesce((ts_lexize('english_stem', word))[1], word) AS stem "
    "FROM unnest(CAST(:words AS text[])) AS word"
)
_stems: dict[str, str] = {}


def words_of(words: str) -> list[str]:
    """Return the words of a text in order, without accents; only the first ones of a very long text."""
    return [_plain(word) for word in split_words(words[:_LONGEST_TEXT])[:_MOST_WORDS]]


def stems_of(connection: Connection, words: Iterable[str]) -> dict[str, str]:
    """Return the stem of each word, for words from `words_of`."""
    wanted = set(words)
    # Copied before the query: another task may clear the cache while this one waits for the database.
    stems = {word: stem for word in wanted if (stem := _stems.get(word)) is not None}
    unknown = wanted - stems.keys()
    if not unknown:
        return stems
    found: dict[str, str] = {
        row.word: row.stem for row in connection.execute(_STEM, {"words": list(unknown)})
    }
    if len(_stems) + len(found) > _MOST_STEMS:
        _stems.clear()
    _stems.update(found)
    return stems | found


def as_tsvector(agent: int, columns: dict[str, Sequence[str]]) -> str:
    """Return the entry of the given stems, in order, by `TEXT`, `OWN` and `CONTEXT`."""
    entries: list[str] = []
    for column, stems in columns.items():
        places: dict[str, list[str]] = {}
        for place, stem in enumerate(stems, start=1):
            places.setdefault(stem, []).append(str(place))
        entries += (
            f"{lexeme(agent, column, stem)}:{','.join(at[:_MOST_PLACES])}" for stem, at in places.items()
        )
    return " ".join(entries)


def lexeme(agent: int, column: str, stem: str) -> str:
    """Return a stem as it is in the index, quoted."""
    plain = stem.replace("\\", "\\\\").replace("'", "''")
    return f"'{agent}{column}{plain}'"


def _plain(word: str) -> str:
    if word.isascii():
        return word[:LONGEST_WORD]
    bare = _ACCENTS.sub("", unicodedata.normalize("NFKD", word))
    return unicodedata.normalize("NFKC", bare)[:LONGEST_WORD]
