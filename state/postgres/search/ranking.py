"""Rank the entries of PostgreSQL's search index for a query."""

from collections.abc import Sequence

from ...search.query_words import QueryWords
from ...search.ranking import MOST_BETWEEN, Found, Gain, gains, rarities
from .lexemes import CONTEXT, OWN, TEXT, lexeme, stems_of, words_of
from .scope import Scope

_ALONE = (OWN, CONTEXT)
"""Columns that count for the entry alone, and not for its neighbours."""

_UNIT = 1_000_000_000
"""Scale of the integer gains: integer sums do not depend on the order, so equal scores stay equal."""

# An entry whose text matches brings its neighbours with it; each counts once.
_HITS = """
    SELECT entry.number FROM {entries} AS entry WHERE entry.words @@ CAST(given.query AS tsquery)
    UNION SELECT unnest(entry.near || entry.number) FROM {entries} AS entry
    WHERE entry.words @@ CAST(given.spreads AS tsquery)
"""
_MANY = 1000
"""Of a word that more entries have, those around them are not counted but estimated."""
_COUNTS = f"""
    SELECT
        (SELECT max(number) FROM {{table}} WHERE number BETWEEN :first AND :last),
        ARRAY(
            SELECT CASE WHEN alone.many > {_MANY} THEN -alone.many
                ELSE (SELECT count(*) FROM ({_HITS}) AS hits) END
            FROM unnest(CAST(:queries AS text[]), CAST(:spreads AS text[]))
            WITH ORDINALITY AS given(query, spreads, place) CROSS JOIN LATERAL (
                SELECT count(*) AS many FROM {{entries}} WHERE words @@ CAST(given.spreads AS tsquery)
            ) AS alone ORDER BY place
        )
"""
_BEST = f"""
    SELECT hits.number, sum(given.gain) AS score
    FROM unnest(CAST(:queries AS text[]), CAST(:spreads AS text[]), CAST(:gains AS bigint[]))
        AS given(query, spreads, gain)
    CROSS JOIN LATERAL ({_HITS}) AS hits GROUP BY hits.number
"""


def best(scope: Scope, query: QueryWords, limit: int, offset: int) -> Found:
    """Return the best matches, best first; equal ones oldest first."""
    stems = _stems(scope, query.words)
    wanted = gains(_rarities(scope, stems), query.pairs)
    if not wanted:
        return []
    found = _BEST.format(entries=scope.entries)
    if scope.conditions:
        found = (
            f"SELECT found.number, found.score FROM ({found}) AS found JOIN {scope.table} AS row "
            f"ON row.number = found.number WHERE {' AND '.join(scope.conditions)}"
        )
    given = {
        "queries": [_match(scope.agent, stems, gain) for gain in wanted],
        "spreads": [_spread(scope.agent, stems, gain) for gain in wanted],
        "gains": [round(gain.worth * _UNIT) for gain in wanted],
        "limit": limit,
        "offset": offset,
    }
    rows = scope.rows(f"{found} ORDER BY 2 DESC, 1 LIMIT :limit OFFSET :offset", given)
    return [(number, float(score) / _UNIT) for number, score in rows]


def newest(scope: Scope, words: tuple[str, ...], limit: int, offset: int) -> Found:
    """Return the rows whose own text contains one of the words, newest first; their score is 0."""
    stems = _stems(scope, words)
    any_word = " | ".join(_in(scope.agent, stems[word], TEXT, OWN) for word in words)
    scope.add(
        f"row.number IN (SELECT number FROM {scope.entries} WHERE words @@ CAST(:any_word AS tsquery))",
        any_word=any_word,
    )
    return listed(scope, limit, offset)


def listed(scope: Scope, limit: int, offset: int) -> Found:
    """Return the rows of the scope, newest first; their score is 0."""
    conditions = " AND ".join(["row.number BETWEEN :first AND :last", *scope.conditions])
    rows = scope.rows(
        f"SELECT row.number FROM {scope.table} AS row WHERE {conditions} "
        "ORDER BY row.created_at DESC, row.number DESC LIMIT :limit OFFSET :offset",
        {"limit": limit, "offset": offset},
    )
    return [(row.number, 0.0) for row in rows]


def _stems(scope: Scope, words: Sequence[str]) -> dict[str, str]:
    """Return the stem of each word of a query."""
    plain = {word: "".join(words_of(word)) for word in words}
    stems = stems_of(scope.connection, plain.values())
    return {word: stems[each] for word, each in plain.items()}


def _rarities(scope: Scope, stems: dict[str, str]) -> dict[str, float]:
    given = {
        "queries": [_in(scope.agent, stem, *_ALONE) for stem in stems.values()],
        "spreads": [_in(scope.agent, stem, TEXT) for stem in stems.values()],
    }
    statement = _COUNTS.format(table=scope.table, entries=scope.entries)
    ((greatest, counts),) = scope.rows(statement, given)
    # Numbers are assigned upwards from the first: the greatest says how many there are, or were.
    entries = (greatest or scope.values["first"]) - scope.values["first"]
    whole = [count if count >= 0 else _estimated(-count, entries) for count in counts]
    return rarities(dict(zip(stems, whole, strict=True)), entries)


def _estimated(count: int, entries: int) -> int:
    """Return about how many entries have a word, or have one around them that does."""
    return max(count, round(entries * (1 - (1 - min(count / max(entries, 1), 1)) ** 5)))


def _match(agent: int, stems: dict[str, str], gain: Gain) -> str:
    """Return the `tsquery` for a gain of the entry alone."""
    stem = stems[gain.word]
    if gain.near is not None:
        return _near(agent, stem, stems[gain.near], *_ALONE)
    return _in(agent, stem, TEXT, OWN) if gain.in_text else _in(agent, stem, *_ALONE)


def _spread(agent: int, stems: dict[str, str], gain: Gain) -> str | None:
    """Return the `tsquery` for a gain of the entry and its neighbours, `None` for none."""
    if gain.in_text:
        return None
    stem = stems[gain.word]
    return _in(agent, stem, TEXT) if gain.near is None else _near(agent, stem, stems[gain.near], TEXT)


def _in(agent: int, stem: str, *columns: str) -> str:
    return " | ".join(lexeme(agent, column, stem) for column in columns)


def _near(agent: int, one: str, other: str, *columns: str) -> str:
    """Return the `tsquery` for two stems close together, in either order and the same column."""
    return " | ".join(
        f"({lexeme(agent, column, first)} <{distance}> {lexeme(agent, column, second)})"
        for column in columns
        for first, second in ((one, other), (other, one))
        for distance in range(1, MOST_BETWEEN + 2)
    )
