"""Rank the entries of SQLite's search index for a query."""

import sqlite3
from dataclasses import dataclass, field

from ...search.query_words import QueryWords
from ...search.ranking import MOST_BETWEEN, Found, Gain, gains, rarities
from .index_file import TABLES


@dataclass(slots=True)
class Scope:
    """The searched rows: those of `table` with numbers from `first` to `last` that meet the conditions.

    Conditions refer to the row as `row`.
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
        """SQL for the agent's entries that match an expression, which is its one parameter."""
        return (
            f"FROM {self.index} WHERE {self.index} MATCH ? AND rowid BETWEEN {self.first:d} AND {self.last:d}"
        )


def best(connection: sqlite3.Connection, scope: Scope, query: QueryWords, limit: int, offset: int) -> Found:
    """Return the best matches, best first.

    Equal ones are oldest first: the older is the answer more often (recall at 10 on LoCoMo 0.77, otherwise
    0.75).
    """
    wanted = gains(_rarities(connection, scope, query.words), query.pairs)
    if not wanted:
        return []
    each = " UNION ALL ".join(f"SELECT rowid AS number, ? AS gain {scope.matches}" for _ in wanted)
    found = f"SELECT number, sum(gain) AS score FROM ({each}) GROUP BY number"
    if scope.conditions:
        # CROSS: look up the rows of the table one by one, never the other way round.
        found = (
            f"SELECT found.number, found.score FROM ({found}) AS found CROSS JOIN {scope.table} AS row "
            f"ON row.number = found.number WHERE {' AND '.join(scope.conditions)}"
        )
    values = [value for gain in wanted for value in (gain.worth, _match(gain))]
    return connection.execute(
        f"{found} ORDER BY 2 DESC, 1 LIMIT ? OFFSET ?", (*values, *scope.values, limit, offset)
    ).fetchall()


def newest(
    connection: sqlite3.Connection, scope: Scope, words: tuple[str, ...], limit: int, offset: int
) -> Found:
    """Return the rows whose own text contains one of the words, newest first; their score is 0."""
    any_word = f"text : ({' OR '.join(map(_quoted, words))})"
    scope.add(f"row.number IN (SELECT rowid {scope.matches})", any_word)
    return listed(connection, scope, limit, offset)


def listed(connection: sqlite3.Connection, scope: Scope, limit: int, offset: int) -> Found:
    """Return the rows of the scope, newest first; their score is 0."""
    conditions = " AND ".join(["row.number BETWEEN ? AND ?", *scope.conditions])
    return connection.execute(
        f"SELECT row.number, 0.0 FROM {scope.table} AS row WHERE {conditions} "
        "ORDER BY row.created_at DESC, row.number DESC LIMIT ? OFFSET ?",
        (scope.first, scope.last, *scope.values, limit, offset),
    ).fetchall()


def _rarities(connection: sqlite3.Connection, scope: Scope, words: tuple[str, ...]) -> dict[str, float]:
    columns = ", ".join([f"(SELECT count(*) {scope.matches})"] * len(words))
    greatest, *counts = connection.execute(
        f"SELECT (SELECT max(number) FROM {scope.table} WHERE number BETWEEN ? AND ?), {columns}",
        (scope.first, scope.last, *map(_quoted, words)),
    ).fetchone()
    # Numbers are assigned upwards from the first: the greatest says how many there are, or were.
    entries = (greatest or scope.first) - scope.first
    return rarities(dict(zip(words, counts, strict=True)), entries)


def _match(gain: Gain) -> str:
    """Return the FTS5 expression for a gain, in any column or in the text only."""
    word = _quoted(gain.word)
    if gain.near is not None:
        return f"NEAR({word} {_quoted(gain.near)}, {MOST_BETWEEN})"
    return f"text : {word}" if gain.in_text else word


def _quoted(word: str) -> str:
    # Inside quotes the only special character is the quote itself, which is doubled.
    return '"' + word.replace('"', '""') + '"'
