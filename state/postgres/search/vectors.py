"""The vectors in PostgreSQL's search index: which are due, and which model is wanted.

A row of `NAME_vectors` belongs to the entry of `NAME_entries` with the same number; without a model it is
due. Once the table `embedder` names a model, rows are added for all new and changed entries in the same
transaction. Before that there are none, at no cost.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from ...search.embedder import LONGEST
from ...search.similarity import Due
from ...tables.columns import storable
from .scope import TABLES

_LEASE = "2 minutes"
"""How long entries stay reserved: longer than an embedder is waited for."""

_HEADER = 20  # Bytes before the elements of an array in binary format; each element has a length prefix.

_WANTED = text("SELECT model FROM embedder")
_WANTED_STILL = text("SELECT model FROM embedder FOR KEY SHARE")
_COUNT = text(
    "SELECT "
    + " + ".join(f"(SELECT count(*) FROM {name}_vectors WHERE model IS NULL)" for name in TABLES.values())
)


def wanted_model(connection: Connection) -> str | None:
    """Return the model whose vectors the index holds or waits for, `None` for no vectors."""
    return connection.execute(_WANTED).scalar()


def want(connection: Connection, model: str) -> None:
    """Mark every entry without a vector of this model as due; delete vectors of other models."""
    _add_extension(connection)
    # Waits for transactions that are writing entries, which would get no row here otherwise.
    connection.execute(text("LOCK TABLE embedder IN EXCLUSIVE MODE"))
    connection.execute(text("DELETE FROM embedder"))
    connection.execute(text("INSERT INTO embedder (model) VALUES (:model)"), {"model": model})
    for name in TABLES.values():
        connection.execute(
            text(
                f"UPDATE {name}_vectors SET model = NULL, vector = NULL, taken_at = NULL "
                "WHERE model <> :model OR vector IS NULL"
            ),
            {"model": model},
        )
        connection.execute(
            text(
                f"INSERT INTO {name}_vectors (number) SELECT number FROM {name}_entries "
                "ON CONFLICT (number) DO NOTHING"
            )
        )


def note_changes(connection: Connection, name: str, numbers: Sequence[int], texts: Sequence[str]) -> bool:
    """Mark the vectors of entries whose text changes as due; return whether there are vectors at all.

    Call it before the entries are written. A changed context does not affect an entry's vector.
    """
    if connection.execute(_WANTED_STILL).first() is None:
        return False
    connection.execute(
        text(
            f"UPDATE {name}_vectors AS row SET model = NULL, vector = NULL, taken_at = NULL "
            f"FROM {name}_entries AS entry, unnest(CAST(:numbers AS bigint[]), CAST(:texts AS text[])) "
            "AS new(number, text) "
            "WHERE row.number = entry.number AND entry.number = new.number AND entry.text <> new.text"
        ),
        {"numbers": numbers, "texts": texts},
    )
    return True


def note_new(connection: Connection, name: str, numbers: Sequence[int]) -> None:
    """Add due vectors for the entries with these numbers that have none."""
    connection.execute(
        text(
            f"INSERT INTO {name}_vectors (number) SELECT unnest(CAST(:numbers AS bigint[])) "
            "ON CONFLICT (number) DO NOTHING"
        ),
        {"numbers": numbers},
    )


def entry_text(words: str) -> str:
    """Return an entry's text as it is stored: up to the embedder's limit."""
    return storable(words[:LONGEST])


def take_due(connection: Connection, model: str, most: int) -> list[Due]:
    """Reserve and return some entries without a vector that are not reserved."""
    if wanted_model(connection) != model:
        return []
    taken: list[Due] = []
    for name in TABLES.values():
        rows = connection.execute(
            text(
                f"WITH due AS (SELECT number FROM {name}_vectors WHERE model IS NULL "
                f"AND (taken_at IS NULL OR taken_at < now() - interval '{_LEASE}') "
                "ORDER BY number DESC LIMIT :most FOR UPDATE SKIP LOCKED) "
                f"UPDATE {name}_vectors AS row SET taken_at = now() FROM due, {name}_entries AS entry "
                "WHERE row.number = due.number AND entry.number = due.number RETURNING row.number, entry.text"
            ),
            {"most": most - len(taken)},
        )
        taken += (Due(name, row.number, row.text) for row in rows)
    return taken


def give_back(connection: Connection, due: Sequence[Due]) -> None:
    """Release reserved entries."""
    for name in TABLES.values():
        connection.execute(
            text(f"UPDATE {name}_vectors SET taken_at = NULL WHERE number = ANY(CAST(:numbers AS bigint[]))"),
            {"numbers": [entry.number for entry in due if entry.table == name]},
        )


def count_due(connection: Connection) -> int:
    """Return the number of entries that wait for a vector."""
    return connection.execute(_COUNT).scalar_one()


def keep(connection: Connection, model: str, made: Sequence[tuple[Due, bytes | None]]) -> None:
    """Store vectors, `None` for a text without one, unless its entry was deleted or changed meanwhile."""
    if connection.execute(_WANTED_STILL).scalar() != model:
        return
    for name in TABLES.values():
        rows = [
            {
                "model": model,
                "vector": _floats(vector),
                "number": entry.number,
                "text": entry_text(entry.text),
            }
            for entry, vector in made
            if entry.table == name
        ]
        if rows:
            connection.execute(
                text(
                    f"UPDATE {name}_vectors AS row SET model = :model, vector = CAST(:vector AS real[]), "
                    f"taken_at = NULL FROM {name}_entries AS entry WHERE row.number = :number "
                    "AND row.model IS NULL AND entry.number = row.number AND entry.text = :text"
                ),
                rows,
            )


def made(connection: Connection, name: str, after: int, most: int) -> list[tuple[Due, bytes]]:
    """Return vectors of the wanted model with numbers after `after`, in order."""
    rows = connection.execute(
        text(
            "SELECT row.number, entry.text, array_send(row.vector) AS sent "
            f"FROM {name}_vectors AS row JOIN {name}_entries AS entry ON entry.number = row.number "
            "WHERE row.number > :after AND row.vector IS NOT NULL "
            "AND row.model = (SELECT model FROM embedder) ORDER BY row.number LIMIT :most"
        ),
        {"after": after, "most": most},
    )
    return [(Due(name, row.number, row.text), as_bytes(row.sent)) for row in rows]


def as_bytes(sent: bytes) -> bytes:
    """Return the elements of an array in PostgreSQL's binary format, four bytes each."""
    import numpy

    pairs = numpy.frombuffer(sent, dtype=[("length", ">i4"), ("number", ">f4")], offset=_HEADER)
    return pairs["number"].astype(numpy.float32).tobytes()


def _floats(vector: bytes | None) -> list[float] | None:
    import numpy

    return None if vector is None else numpy.frombuffer(vector, dtype=numpy.float32).tolist()


def _add_extension(connection: Connection) -> None:
    """Create the extension that compares vectors, if the server has it and the user may."""
    try:
        with connection.begin_nested():
            connection.execute(text("CREATE EXTENSION IF NOT EXISTS vector"))
    except DBAPIError as error:
        if error.connection_invalidated:
            raise
