"""The vectors in the search index of an SQLite database: which are due, and which are similar to a query's.

A row of `NAME_vectors` belongs to the entry of the full-text table `NAME` with the same number; without a
model it is due. Once the table `embedder` names a model, rows are added for all new and changed entries in
the same transaction, so no crash can separate them. Before that there are none, at no cost.
"""

import json
import sqlite3
from collections.abc import Collection, Iterable

from ...search.embedder import Meaning
from ...search.ranking import Found
from ...search.similarity import MOST_COMPARED, Due, most_similar
from .index_file import TABLES
from .ranking import Scope


def wanted_model(connection: sqlite3.Connection) -> str | None:
    """Return the model whose vectors the index holds or waits for, `None` for no vectors."""
    row = connection.execute("SELECT model FROM embedder").fetchone()
    return row[0] if row else None


def want(connection: sqlite3.Connection, model: str) -> None:
    """Mark every entry without a vector of this model as due; delete vectors of other models."""
    connection.execute("DELETE FROM embedder")
    connection.execute("INSERT INTO embedder (model) VALUES (?)", (model,))
    for table in TABLES.values():
        connection.execute(
            f"UPDATE {table}_vectors SET model = NULL, dimension = NULL, vector = NULL "
            "WHERE model <> ? OR vector IS NULL",
            (model,),
        )
        connection.execute(f"INSERT OR IGNORE INTO {table}_vectors (number) SELECT rowid FROM {table}")


def note_changes(
    connection: sqlite3.Connection, table: str, gone: set[int], entries: Iterable[tuple[int, str, str]]
) -> None:
    """Mark the vectors of entries whose text changes as due, and delete those of removed entries.

    Call it before the entries are written. A changed context does not affect an entry's vector.
    """
    if wanted_model(connection) is None:
        return
    new = {number: text for number, text, _ in entries}
    stored = connection.execute(
        f"SELECT row.number, entry.text FROM {table}_vectors AS row JOIN {table} AS entry "
        "ON entry.rowid = row.number WHERE row.number IN (SELECT value FROM json_each(?))",
        (json.dumps(list(gone | new.keys())),),
    )
    same = {number for number, text in stored if new.get(number) == text}
    changed = (gone | new.keys()) - same
    connection.executemany(f"DELETE FROM {table}_vectors WHERE number = ?", ((each,) for each in changed))
    connection.executemany(
        f"INSERT INTO {table}_vectors (number) VALUES (?)", ((each,) for each in changed if each in new)
    )


def due(connection: sqlite3.Connection, model: str, most: int) -> list[Due]:
    """Return some entries without a vector, none if the index waits for those of another model."""
    if wanted_model(connection) != model:
        return []
    return [
        Due(table, number, text)
        for table in TABLES.values()
        for number, text in connection.execute(
            f"SELECT row.number, entry.text FROM {table}_vectors AS row JOIN {table} AS entry "
            "ON entry.rowid = row.number WHERE row.model IS NULL ORDER BY row.number DESC LIMIT ?",
            (most,),
        )
    ][:most]


def count_due(connection: sqlite3.Connection) -> int:
    """Return the number of entries that wait for a vector."""
    counts = (f"(SELECT count(*) FROM {table}_vectors WHERE model IS NULL)" for table in TABLES.values())
    return connection.execute(f"SELECT {' + '.join(counts)}").fetchone()[0]


def keep(connection: sqlite3.Connection, model: str, made: Iterable[tuple[Due, bytes | None]]) -> None:
    """Store vectors, `None` for a text without one, unless its entry was deleted or changed meanwhile."""
    if wanted_model(connection) != model:
        return
    for entry, vector in made:
        connection.execute(
            f"UPDATE {entry.table}_vectors SET model = ?, dimension = ?, vector = ? WHERE number = ? "
            f"AND model IS NULL AND (SELECT text FROM {entry.table} WHERE rowid = number) = ?",
            (model, len(vector or b"") // 4, vector, entry.number, entry.text),
        )


def made(connection: sqlite3.Connection, table: str, after: int, most: int) -> list[tuple[Due, bytes]]:
    """Return vectors of the wanted model with numbers after `after`, in order."""
    rows = connection.execute(
        f"SELECT row.number, entry.text, row.vector FROM {table}_vectors AS row JOIN {table} AS entry "
        "ON entry.rowid = row.number WHERE row.number > ? AND row.vector IS NOT NULL "
        "AND row.model = (SELECT model FROM embedder) ORDER BY row.number LIMIT ?",
        (after, most),
    )
    return [(Due(table, number, text), vector) for number, text, vector in rows]


def similar_rows(
    connection: sqlite3.Connection, scope: Scope, meaning: Meaning, most: int, also: Collection[int]
) -> Found:
    """Return the rows of a scope whose vectors are most similar to the query's, the most similar first.

    The numbers in `also` are returned in addition to the first `most` rows. The score is the cosine.
    """
    of_model = "vectors.model = ? AND vectors.dimension = ?"
    model = (meaning.model, len(meaning.vector))
    conditions = ["vectors.number BETWEEN ? AND ?", of_model, *scope.conditions]
    join = f"CROSS JOIN {scope.table} AS row ON row.number = vectors.number" if scope.conditions else ""
    vectors: dict[int, bytes] = dict(
        connection.execute(
            f"SELECT vectors.number, vectors.vector FROM {scope.index}_vectors AS vectors {join} "
            f"WHERE {' AND '.join(conditions)} ORDER BY vectors.number DESC LIMIT ?",
            (scope.first, scope.last, *model, *scope.values, MOST_COMPARED),
        )
    )
    vectors |= connection.execute(
        f"SELECT number, vector FROM {scope.index}_vectors AS vectors "
        f"WHERE number IN (SELECT value FROM json_each(?)) AND {of_model}",
        (json.dumps([number for number in also if number not in vectors]), *model),
    )
    return most_similar(vectors, meaning, most, also)
