"""What PostgreSQL's index holds of words: their stems, each behind the number of its agent.

So a search in one agent touches the entries of no other, with an index (GIN) that every PostgreSQL has: 30 MB
for 100,000 messages. A table with a row for each word takes 850 MB, and finds no faster but in an agent with
tens of thousands of messages (8 ms instead of 23 for frequent words at 40,000).

The words are parted here, as those of a query are: PostgreSQL's own parser takes numbers, addresses and
hyphens for other things in a text than in a query.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, text

from ...search.query_words import LONGEST_WORD, split_words

TEXT, CONTEXT = ":", "~"
"""Stand between an agent's number and a stem: one for words of the text, one for those around it."""

_MOST_WORDS = 10_000
"""So many words of a text are found: an entry holds a megabyte, and 16,383 places."""
_MOST_PLACES = 200  # Of one word; PostgreSQL keeps 255.
_LONGEST_TEXT = 150_000
_MOST_STEMS = 100_000

_ACCENTS = re.compile("[\u0300-\u036f]")
# PostgreSQL's stemmer gives nothing for the words that it would leave out: they stand as they are.
_STEM = text(
    "SELECT word, coalesce((ts_lexize('english_stem', word))[1], word) AS stem "
    "FROM unnest(CAST(:words AS text[])) AS word"
)
_stems: dict[str, str] = {}


def words_of(words: str) -> list[str]:
    """Return the words of a text in their order, without accents; of an endless one the first."""
    return [_plain(word) for word in split_words(words[:_LONGEST_TEXT])[:_MOST_WORDS]]


def stems_of(connection: Connection, words: Iterable[str]) -> dict[str, str]:
    """Return the stem of each word, as `words_of` gives them."""
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
    """Return the entry that holds stems, in their order, by `TEXT` and `CONTEXT`."""
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
    """Return a stem as the index has it, quoted."""
    plain = stem.replace("\\", "\\\\").replace("'", "''")
    return f"'{agent}{column}{plain}'"


def _plain(word: str) -> str:
    if word.isascii():
        return word[:LONGEST_WORD]
    bare = _ACCENTS.sub("", unicodedata.normalize("NFKD", word))
    return unicodedata.normalize("NFKC", bare)[:LONGEST_WORD]
