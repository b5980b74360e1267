"""Checkpoints in an SQLite file: tables, statements, and reading."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..checkpoints.checkpoint_rows import Found, Row
from ..checkpoints.pieces import digests_in

TABLES = ("checkpoints", "writes", "pieces")

MAKE_TABLES = (
    "CREATE TABLE IF NOT EXISTS checkpoints (thread_id TEXT NOT NULL, space TEXT NOT NULL, "
    "id TEXT NOT NULL, parent_id TEXT, digests BLOB NOT NULL, body BLOB NOT NULL, "
    "PRIMARY KEY (thread_id, space, id)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS writes (thread_id TEXT NOT NULL, space TEXT NOT NULL, "
    "checkpoint_id TEXT NOT NULL, task_id TEXT NOT NULL, place INTEGER NOT NULL, task_path TEXT NOT NULL, "
    "digests BLOB NOT NULL, body BLOB NOT NULL, "
    "PRIMARY KEY (thread_id, space, checkpoint_id, task_id, place)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS pieces (thread_id TEXT NOT NULL, digest BLOB NOT NULL, body BLOB NOT NULL, "
    "PRIMARY KEY (thread_id, digest)) WITHOUT ROWID",
)

_INSERT = {
    "piece": "INSERT OR IGNORE INTO pieces VALUES (?, ?, ?)",
    "checkpoint": "INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?, ?, ?, ?)",
    "result": "INSERT OR IGNORE INTO writes VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    "error": "INSERT OR REPLACE INTO writes VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
}


def write(
    connection: sqlite3.Connection, writes: Sequence[Row | Callable[[sqlite3.Connection], None]]
) -> None:
    """Write rows, and call functions with the connection, in their order."""
    for each in writes:
        if callable(each):
            each(connection)
        else:
            kind, values = each
            connection.execute(_INSERT[kind], values)


def read(connection: sqlite3.Connection, wanted: Mapping[str, Any], most: int) -> Found:
    """Return the checkpoints that conditions on `checkpoints` hold for, `most` at most, -1 for all."""
    where = " AND ".join(f"{condition} ?" for condition in wanted) or "TRUE"
    connection.execute("BEGIN")
    try:
        checkpoints = connection.execute(
            f"SELECT * FROM checkpoints WHERE {where} ORDER BY id DESC LIMIT ?", (*wanted.values(), most)
        ).fetchall()
        writes: dict[tuple[str, str, str], list[tuple[str, bytes, bytes]]] = {}
        pieces: dict[str, dict[bytes, bytes]] = {}
        for thread_id, space, checkpoint_id, *_ in checkpoints:
            writes[thread_id, space, checkpoint_id] = connection.execute(
                "SELECT task_id, digests, body FROM writes WHERE thread_id = ? AND space = ? "
                "AND checkpoint_id = ? ORDER BY task_path, task_id, place",
                (thread_id, space, checkpoint_id),
            ).fetchall()
            if thread_id not in pieces:
                of_thread = "SELECT digest, body FROM pieces WHERE thread_id = ?"
                pieces[thread_id] = dict(connection.execute(of_thread, (thread_id,)).fetchall())
        return Found(checkpoints, writes, pieces)
    finally:
        connection.execute("COMMIT")


def prune(connection: sqlite3.Connection, thread_id: str, keep: int) -> None:
    """Delete all but the newest `keep` checkpoints of a thread, their writes, and unused pieces."""
    oldest = connection.execute(
        "SELECT id FROM checkpoints WHERE thread_id = ? AND space = '' ORDER BY id DESC LIMIT 1 OFFSET ?",
        (thread_id, keep - 1),
    ).fetchone()
    if oldest is None:
        return
    old = (thread_id, *oldest)
    for table, column in (("writes", "checkpoint_id"), ("checkpoints", "id")):
        connection.execute(f"DELETE FROM {table} WHERE thread_id = ? AND space = '' AND {column} < ?", old)
    used: set[bytes] = set()
    for table in ("writes", "checkpoints"):
        for (digests,) in connection.execute(
            f"SELECT digests FROM {table} WHERE thread_id = ?", (thread_id,)
        ):
            used.update(digests_in(digests))
    of_thread = connection.execute("SELECT digest FROM pieces WHERE thread_id = ?", (thread_id,)).fetchall()
    unused = [(thread_id, digest) for (digest,) in of_thread if digest not in used]
    connection.executemany("DELETE FROM pieces WHERE thread_id = ? AND digest = ?", unused)
