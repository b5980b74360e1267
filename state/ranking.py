"""Which entries of the search index answer a query best, counted inside one agent alone.

An entry scores for each word the word's rarity, half of it for a word that stands in its context only, and a
little more for words that follow each other in the query and stand close together. Rarity is counted among
the agent's own entries: FTS5's `bm25` counts it over the whole table, which makes a query slower with every
message of anybody (110 ms instead of 9 at a million, 95th percentile of frequent words) and ranks an agent's
memories by what others said. It finds as much: evidence recall at 10 on LoCoMo is within 0.01.
"""

import math
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field

from .query_words import Wanted, match_any, match_pair, match_word
from .search_index import TABLES

_NEARBY = 0.5
"""What a word in the context counts, of one in the text."""
_PAIR = 0.2
"""What two words that stand close together count, of a word."""
_MANY_ENTRIES = 10_000
_MOST_WORDS = 8
_MOST_WORDS_OF_MANY = 4

Found = list[tuple[int, float]]
"""Numbers of rows and their scores."""


@dataclass(slots=True)
class Scope:
    """Which rows are searched: those of `table` with numbers from `first` to `last` that meet the conditions.

    Conditions call the row `row`.
    """

    table: str
    first: int
    last: int
    conditions: list[str] = field(default_factory=list[str])
    values: list[object] = field(default_factory=list[object])

    def add(self, condition: str, *values: object) -> None:
        """Add a condition with its values."""
        self.conditions.append(condition)
        self.values += values

    @property
    def index(self) -> str:
        """The name of the full-text table."""
        return TABLES[self.table]

    @property
    def matches(self) -> str:
        """The numbers of the agent's entries that match one expression; its values are that and the range."""
        return (
            f"FROM {self.index} WHERE {self.index} MATCH ? AND rowid BETWEEN {self.first:d} AND {self.last:d}"
        )


def best(connection: sqlite3.Connection, scope: Scope, query: Wanted, limit: int, offset: int) -> Found:
    """Return the rows that answer best, the best first.

    Of equals what was said first: it is the answer more often (recall at 10 on LoCoMo 0.77, else 0.75).
    """
    gains = _gains(_rarities(connection, scope, query.words), query.pairs)
    if not gains:
        return []
    each = " UNION ALL ".join(f"SELECT rowid AS number, ? AS gain {scope.matches}" for _ in gains)
    found = f"SELECT number, sum(gain) AS score FROM ({each}) GROUP BY number"
    if scope.conditions:
        # CROSS: the rows of the table are looked up one by one, never the other way round.
        found = (
            f"SELECT found.number, found.score FROM ({found}) AS found CROSS JOIN {scope.table} AS row "
            f"ON row.number = found.number WHERE {' AND '.join(scope.conditions)}"
        )
    values = [value for match, gain in gains for value in (gain, match)]
    return connection.execute(
        f"{found} ORDER BY 2 DESC, 1 LIMIT ? OFFSET ?", (*values, *scope.values, limit, offset)
    ).fetchall()


def newest(
    connection: sqlite3.Connection, scope: Scope, words: tuple[str, ...], limit: int, offset: int
) -> Found:
    """Return the rows whose own text has one of the words, the newest first; their score is 0."""
    scope.add(f"row.number IN (SELECT rowid {scope.matches})", match_any(words, column="text"))
    return listed(connection, scope, limit, offset)


def listed(connection: sqlite3.Connection, scope: Scope, limit: int, offset: int) -> Found:
    """Return the rows of the scope, the newest first; their score is 0."""
    conditions = " AND ".join(["row.number BETWEEN ? AND ?", *scope.conditions])
    return connection.execute(
        f"SELECT row.number, 0.0 FROM {scope.table} AS row WHERE {conditions} "
        "ORDER BY row.created_at DESC, row.number DESC LIMIT ? OFFSET ?",
        (scope.first, scope.last, *scope.values, limit, offset),
    ).fetchall()


def _rarities(connection: sqlite3.Connection, scope: Scope, words: Sequence[str]) -> dict[str, float]:
    """Return the rarity of the words that the agent's entries hold; of many words, that of the rarest."""
    columns = ", ".join([f"(SELECT count(*) {scope.matches})"] * len(words))
    greatest, *counts = connection.execute(
        f"SELECT (SELECT max(number) FROM {scope.table} WHERE number BETWEEN ? AND ?), {columns}",
        (scope.first, scope.last, *map(match_word, words)),
    ).fetchone()
    # Numbers count from the first one up: the greatest tells how many there are, or were.
    entries = max((greatest or scope.first) - scope.first, *counts)
    known = sorted((count, word) for count, word in zip(counts, words, strict=True) if count)
    most = _MOST_WORDS_OF_MANY if entries > _MANY_ENTRIES else _MOST_WORDS
    return {word: math.log(2 + (entries - count + 0.5) / (count + 0.5)) for count, word in known[:most]}


def _gains(rarity: dict[str, float], pairs: Sequence[tuple[str, str]]) -> list[tuple[str, float]]:
    """Return what an entry gains by each expression that it matches."""
    gains: list[tuple[str, float]] = []
    for word, worth in rarity.items():
        gains.append((match_word(word), _NEARBY * worth))
        gains.append((match_word(word, column="text"), (1 - _NEARBY) * worth))
    for one, other in pairs:
        if one in rarity and other in rarity:
            gains.append((match_pair(one, other), _PAIR * (rarity[one] + rarity[other])))
    return gains
