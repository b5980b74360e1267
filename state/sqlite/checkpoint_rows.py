"""Checkpoints in an SQLite file: tables, statements, and reading."""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    PendingWrite,
    get_checkpoint_metadata,
)
from langgraph.checkpoint.serde.base import SerializerProtocol

from ..checkpoints.pieces import Known, decode, digests_in, encode, long_version, short_version, with_versions

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

_PUT = "INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?, ?, ?, ?)"
_PUT_WRITES = "INSERT OR {} INTO writes VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_PUT_PIECE = "INSERT OR IGNORE INTO pieces VALUES (?, ?, ?)"

Statement = tuple[str, Sequence[Any]]
"""SQL and its parameters."""
Write = Statement | Callable[[sqlite3.Connection], None]
Raw = tuple[str, str, str, str | None, bytes, bytes]
"""Thread, namespace, id, parent's id, hashes of pieces and body of a checkpoint."""


@dataclass(frozen=True, slots=True)
class Found:
    """Rows of checkpoints, newest first, with their writes and the pieces of their threads."""

    checkpoints: list[Raw]
    writes: dict[tuple[str, str, str], list[tuple[str, bytes, bytes]]]
    pieces: dict[str, dict[bytes, bytes]]


def put(
    config: RunnableConfig,
    checkpoint: Checkpoint,
    metadata: CheckpointMetadata,
    serde: SerializerProtocol,
    known: Known,
) -> list[Statement]:
    """Return the statements that store a checkpoint."""
    place = config.get("configurable", {})
    header = {k: v for k, v in checkpoint.items() if k not in ("id", "channel_values")}
    value = {
        "header": with_versions(header, short_version),
        "metadata": get_checkpoint_metadata(config, metadata),
        "values": checkpoint["channel_values"],
    }
    encoded = encode(value, serde, known)
    thread_id, space = str(place["thread_id"]), place.get("checkpoint_ns") or ""
    row = (thread_id, space, checkpoint["id"], place.get("checkpoint_id"), encoded.digests, encoded.body)
    return [*_pieces(thread_id, encoded.new, known), (_PUT, row)]


def put_writes(
    config: RunnableConfig,
    writes: Sequence[tuple[str, Any]],
    task: tuple[str, str],
    serde: SerializerProtocol,
    known: Known,
) -> list[Statement]:
    """Return the statements that store a task's writes; `task` is its id and its path.

    Like LangGraph's savers: errors and interrupts replace earlier ones, results are written once.
    """
    place = config.get("configurable", {})
    thread_id, space = str(place["thread_id"]), place.get("checkpoint_ns") or ""
    special = all(channel in WRITES_IDX_MAP for channel, _ in writes)
    by_place = (
        {WRITES_IDX_MAP[channel]: [(channel, value)] for channel, value in writes} if special else {0: writes}
    )
    statements: list[Statement] = []
    for number, given in by_place.items():
        encoded = encode([{"channel": channel, "value": value} for channel, value in given], serde, known)
        key = (thread_id, space, place["checkpoint_id"], task[0], number)
        statements += _pieces(thread_id, encoded.new, known)
        sql = _PUT_WRITES.format("REPLACE" if special else "IGNORE")
        statements.append((sql, (*key, task[1], encoded.digests, encoded.body)))
    return statements


def _pieces(thread_id: str, new: dict[bytes, bytes], known: Known) -> list[Statement]:
    known.stored.update(new)
    return [(_PUT_PIECE, (thread_id, digest, content)) for digest, content in new.items()]


def write(
    connection: sqlite3.Connection, writes: Sequence[Statement | Callable[[sqlite3.Connection], None]]
) -> None:
    """Run statements, and functions of the connection, in order."""
    for each in writes:
        if callable(each):
            each(connection)
        else:
            connection.execute(*each)


def read(connection: sqlite3.Connection, where: str, given: Sequence[Any], most: int = -1) -> Found:
    """Return at most `most` checkpoints that match a condition on the table `checkpoints`."""
    connection.execute("BEGIN")
    try:
        checkpoints = connection.execute(
            f"SELECT * FROM checkpoints WHERE {where} ORDER BY id DESC LIMIT ?", (*given, most)
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


def tuple_of(raw: Raw, found: Found, serde: SerializerProtocol) -> CheckpointTuple:
    """Return a checkpoint in LangGraph's form."""
    thread_id, space, checkpoint_id, parent_id, digests, body = raw
    pieces = found.pieces[thread_id]
    value = decode(body, digests, pieces, serde)
    header = with_versions(value["header"], long_version)
    checkpoint = cast(Checkpoint, {**header, "id": checkpoint_id, "channel_values": value["values"]})
    pending: list[PendingWrite] = []
    for task_id, of_write, write in found.writes[thread_id, space, checkpoint_id]:
        for each in decode(write, of_write, pieces, serde):
            pending.append((task_id, each["channel"], each["value"]))
    parent = config_of(thread_id, space, parent_id) if parent_id else None
    config = config_of(thread_id, space, checkpoint_id)
    return CheckpointTuple(config, checkpoint, value["metadata"], parent, pending)


def config_of(thread_id: str, space: str, checkpoint_id: str | None) -> RunnableConfig:
    """Return the configuration of a checkpoint, or with `None` of the thread only."""
    return {"configurable": {"thread_id": thread_id, "checkpoint_ns": space, "checkpoint_id": checkpoint_id}}


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
