"""Update SQLite's search index from the database, in short steps that may be interrupted by a crash.

Columns of the database say what is due and what must be removed. The index is written first and the columns
second; after a crash in between, the rows are still due.
"""

import json
import sqlite3
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import bindparam, delete, text, update
from sqlalchemy.orm import Session

from ...database.database import Database
from ...search.entry_texts import CONTEXT_CHARACTERS, message_entry, passage_entry
from ...search.neighbours import heard_words
from ...tables.columns import Instant, from_stored, utc_now
from ...tables.tables import PassageRow, RemovalRow
from .index_file import TABLES, IndexFile
from .neighbours import numbers_around, searchable, texts_around
from .vectors import note_changes

_BATCH = 32
_MOST_REMOVALS = 1000

_DUE = "indexed_at IS NULL AND number BETWEEN ? AND ? ORDER BY number LIMIT ?"

_SEEN = ("number", "text", "role", "name", "status")
_INDEXED = text(
    "UPDATE messages SET indexed_at = :now "
    "WHERE number = :number AND text = :text AND role = :role AND name IS :name AND status IS :status"
).bindparams(bindparam("now", type_=Instant))
_REMOVED = delete(RemovalRow).where(RemovalRow.id.in_(bindparam("ids", expanding=True)))
_PASSAGES_INDEXED = (
    update(PassageRow)
    .where(PassageRow.number.in_(bindparam("numbers", expanding=True)))
    .values(indexed_at=bindparam("now"))
)


@dataclass(slots=True)
class _Work:
    """One step: entries to remove, entries to add, and the changes that mark them as done."""

    removals: list[int] = field(default_factory=list[int])
    gone: dict[str, set[int]] = field(default_factory=lambda: {kind: set[int]() for kind in TABLES})
    entries: dict[str, list[tuple[int, str, str]]] = field(
        default_factory=lambda: {kind: list[tuple[int, str, str]]() for kind in TABLES}
    )
    seen: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    passages: list[int] = field(default_factory=list[int])

    @property
    def size(self) -> int:
        return len(self.removals) + len(self.seen) + len(self.passages)


async def index_some(database: Database, index: IndexFile, numbers: tuple[int, int]) -> int:
    """Index some of the due rows between two numbers; return how many, 0 when done.

    Entries of deleted rows are removed first, of any agent.
    """

    def step(reader: sqlite3.Connection, writer: sqlite3.Connection) -> _Work:
        # Read under the index's lock, so that no other writer overwrites the entries with older data.
        work = _read(reader, numbers)
        for kind, table in TABLES.items():
            note_changes(writer, table, work.gone[kind], work.entries[kind])
            _write(writer, table, work.gone[kind], work.entries[kind])
        return work

    work = await index.writing(step)
    if work.size:
        await _settle(database, work)
    return work.size


def _read(connection: sqlite3.Connection, numbers: tuple[int, int]) -> _Work:
    work = _Work()
    removals = "SELECT id, kind, number FROM index_removals ORDER BY id LIMIT ?"
    for id_, kind, number in connection.execute(removals, (_MOST_REMOVALS,)):
        work.removals.append(id_)
        work.gone[kind].add(number)
    _read_messages(connection, work, numbers)
    _read_passages(connection, work, numbers)
    return work


def _read_messages(connection: sqlite3.Connection, work: _Work, numbers: tuple[int, int]) -> None:
    due = connection.execute(f"SELECT {', '.join(_SEEN)} FROM messages WHERE {_DUE}", (*numbers, _BATCH))
    work.seen = [dict(zip(_SEEN, row, strict=True)) for row in due]
    affected = work.gone["messages"]  # The number of a deleted row may have been reused.
    affected |= {row["number"] for row in work.seen}
    # A message is also the context of its neighbours.
    affected |= numbers_around(connection, affected)
    if not affected:
        return
    contexts = texts_around(connection, affected, CONTEXT_CHARACTERS)
    rows = connection.execute(
        f"SELECT row.number, {heard_words('row')}, row.name, row.created_at, agents.time_zone "
        "FROM messages AS row JOIN agents ON agents.id = row.agent_id "
        f"WHERE row.number IN (SELECT value FROM json_each(?)) AND {searchable('row')}",
        (json.dumps(list(affected)),),
    )
    for number, words, name, created_at, zone in rows:
        entry = message_entry(words, name, from_stored(created_at), zone)
        work.entries["messages"].append((number, entry, contexts[number]))


def _read_passages(connection: sqlite3.Connection, work: _Work, numbers: tuple[int, int]) -> None:
    due = connection.execute(f"SELECT number FROM passages WHERE {_DUE}", (*numbers, _BATCH))
    work.passages = [number for (number,) in due]
    affected = work.gone["passages"]
    affected |= set(work.passages)
    rows = connection.execute(
        "SELECT number, text, context, tags FROM passages WHERE number IN (SELECT value FROM json_each(?))",
        (json.dumps(list(affected)),),
    )
    for number, words, context, tags in rows:
        work.entries["passages"].append((number, passage_entry(words, json.loads(tags)), context or ""))


def _write(
    connection: sqlite3.Connection, table: str, gone: set[int], entries: list[tuple[int, str, str]]
) -> None:
    connection.executemany(f"DELETE FROM {table} WHERE rowid = ?", ((number,) for number in gone))
    connection.executemany(f"INSERT INTO {table} (rowid, text, context) VALUES (?, ?, ?)", entries)


async def _settle(database: Database, work: _Work) -> None:
    """Mark the work as done, except for messages that were changed in the meantime: they stay due."""
    now = utc_now()

    def settle(session: Session) -> None:
        connection = session.connection()
        if work.removals:
            connection.execute(_REMOVED, {"ids": work.removals})
        if work.passages:
            connection.execute(_PASSAGES_INDEXED, {"numbers": work.passages, "now": now})
        if work.seen:
            connection.execute(_INDEXED, [{**row, "now": now} for row in work.seen])

    await database.write(settle)
