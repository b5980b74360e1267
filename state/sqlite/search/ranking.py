"""Which entries of SQLite's search index answer a query best."""

import sqlite3
from dataclasses import dataclass, field

from ...search.query_words import Wanted
from ...search.ranking import MOST_BETWEEN, Found, Gain, gains, rarities
from .index_file import TABLES


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
    wanted = gains(_rarities(connection, scope, query.words), query.pairs)
    if not wanted:
        return []
    each = " UNION ALL ".join(f"SELECT rowid AS number, ? AS gain {scope.matches}" for _ in wanted)
    found = f"SELECT number, sum(gain) AS score FROM ({each}) GROUP BY number"
    if scope.conditions:
        # CROSS: the rows of the table are looked up one by one, never the other way round.
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
    """Return the rows whose own text has one of the words, the newest first; their score is 0."""
    any_word = f"text : ({' OR '.join(map(_quoted, words))})"
    scope.add(f"row.number IN (SELECT rowid {scope.matches})", any_word)
    return listed(connection, scope, limit, offset)


def listed(connection: sqlite3.Connection, scope: Scope, limit: int, offset: int) -> Found:
    """Return the rows of the scope, the newest first; their score is 0."""
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
    # Numbers count from the first one up: the greatest tells how many there are, or were.
    entries = (greatest or scope.first) - scope.first
    return rarities(dict(zip(words, counts, strict=True)), entries)


def _match(gain: Gain) -> str:
    """Return the FTS5 expression for what an entry gains by, in any column or in the text alone."""
    word = _quoted(gain.word)
    if gain.near is not None:
        return f"NEAR({word} {_quoted(gain.near)}, {MOST_BETWEEN})"
    return f"text : {word}" if gain.in_text else word


def _quoted(word: str) -> str:
    # Inside quotes nothing is syntax but the quote itself, which is doubled.
    return '"' + word.replace('"', '""') + '"'
