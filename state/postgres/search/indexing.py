"""Update PostgreSQL's search index in short steps of one transaction each.

An agent's entries are written by one process at a time, which holds an advisory lock for the agent until its
step ends; other processes continue with other agents. It is not a row lock, so no turn waits for it. Rows
being indexed are locked too; rows that a turn is changing are left for the next step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from ...agents.ownership import numbers_of
from ...database.database import Database
from ...search.entry_texts import CONTEXT_CHARACTERS, message_entry, passage_entry
from ...search.neighbours import heard_words
from ...tables.tables import SEQUENCE_BITS
from .lexemes import CONTEXT, OWN, TEXT, as_tsvector, stems_of, words_of
from .neighbours import numbers_around, searchable
from .scope import TABLES
from .vectors import entry_text, note_changes, note_new

_BATCH = 16
_LOCKS = 0x76676978
"""Namespace of the agents' advisory locks."""

_DUE = "FROM {table} AS row WHERE row.indexed_at IS NULL AND row.number BETWEEN :first AND :last"
_NEXT = text(
    "SELECT least("
    + ", ".join(f"(SELECT min(row.number) {_DUE.format(table=table)})" for table in TABLES)
    + ")"
)
_LOCK = text("SELECT pg_try_advisory_xact_lock(:locks, :agent)")
_TAKE = {
    table: text(
        f"SELECT row.number {_DUE.format(table=table)} "
        "ORDER BY row.number LIMIT :batch FOR NO KEY UPDATE SKIP LOCKED"
    )
    for table in TABLES
}
# Deleting a thread waits for a step; if the step waited for the deletion too, they would deadlock.
_STAYING = text(
    "SELECT number FROM messages WHERE number = ANY(CAST(:numbers AS bigint[])) FOR KEY SHARE SKIP LOCKED"
)
_MESSAGES = text(
    f"SELECT row.number, {heard_words('row')} AS text, row.name, row.created_at, agents.time_zone "
    "FROM messages AS row JOIN agents ON agents.id = row.agent_id "
    f"WHERE row.number = ANY(CAST(:numbers AS bigint[])) AND {searchable('row')}"
)
_PASSAGES = text(
    "SELECT number, text, context, tags FROM passages WHERE number = ANY(CAST(:numbers AS bigint[]))"
)
_NEW = (
    "unnest(CAST(:numbers AS bigint[]), CAST(:texts AS text[]), CAST(:words AS text[]), "
    "CAST(:near AS text[])) AS new(number, text, words, near)"
)

# What is not changed is left as it is: then the index of words is not written, if the page has room.
_UPSERT = (
    "INSERT INTO {name}_entries AS old (number, text, words, near) "
    f"SELECT number, text, CAST(words AS tsvector), CAST(near AS bigint[]) FROM {_NEW} "
    "ON CONFLICT (number) DO UPDATE SET text = excluded.text, near = excluded.near, "
    "words = CASE WHEN old.words = excluded.words THEN old.words ELSE excluded.words END "
    "WHERE old.text <> excluded.text OR old.words <> excluded.words OR old.near <> excluded.near"
)

Words = dict[str, list[str]]
"""The words of an entry, by `TEXT`, `OWN` and `CONTEXT`."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry: its text up to the embedder's limit, its words, and the numbers of its neighbours."""

    number: int
    text: str
    words: Words
    near: Sequence[int] = ()


async def index_some(database: Database, numbers: tuple[int, int]) -> int:
    """Index some due rows between two numbers that no other process is indexing; return how many."""
    return await database.write(lambda session: _step(session.connection(), *numbers))


def _step(connection: Connection, first: int, last: int) -> int:
    while True:
        number = connection.execute(_NEXT, {"first": first, "last": last}).scalar_one()
        if number is None:
            return 0
        agent: int = number >> SEQUENCE_BITS
        if connection.execute(_LOCK, {"locks": _LOCKS, "agent": agent}).scalar_one():
            done = sum(_take_in(connection, agent, table, (first, last)) for table in TABLES)
            if done:
                return done
        first = (agent + 1) << SEQUENCE_BITS


def _take_in(connection: Connection, agent: int, table: str, numbers: tuple[int, int]) -> int:
    own = numbers_of(agent)
    window = {"first": max(numbers[0], own[0]), "last": min(numbers[1], own[1]), "batch": _BATCH}
    due = list(connection.execute(_TAKE[table], window).scalars())
    if due:
        affected, entries = (_messages if table == "messages" else _passages)(connection, due)
        _write(connection, agent, table, affected, entries)
        done = text(f"UPDATE {table} SET indexed_at = now() WHERE number = ANY(CAST(:numbers AS bigint[]))")
        connection.execute(done, {"numbers": due})
    return len(due)


def _messages(connection: Connection, due: Sequence[int]) -> tuple[set[int], list[Entry]]:
    """Return the numbers of all affected entries, and the new contents of those that still exist."""
    # A message is also the context of its neighbours.
    beside = numbers_around(connection, due)
    beside_them = [near for each in beside.values() for near in each]
    affected = set(connection.execute(_STAYING, {"numbers": [*due, *beside_them]}).scalars())
    near = numbers_around(connection, affected)
    rows = {row.number: row for row in connection.execute(_MESSAGES, {"numbers": list(affected)})}
    return affected, [_message(rows[number], near[number]) for number in sorted(affected & rows.keys())]


def _message(row: Any, near: Sequence[int]) -> Entry:
    """Return the entry of a message: all but the end of an endless one counts for the messages around it."""
    words = words_of(row.text)
    shared = words
    if len(row.text) > CONTEXT_CHARACTERS:
        shared = words_of(row.text[:CONTEXT_CHARACTERS])[:-1]  # The last one may be cut.
    day_and_name = words_of(message_entry("", row.name, row.created_at, row.time_zone))
    text = message_entry(row.text, row.name, row.created_at, row.time_zone)
    own = [*day_and_name, *words[len(shared) :]]
    return Entry(row.number, entry_text(text), {OWN: own, TEXT: shared}, near)


def _passages(connection: Connection, due: Sequence[int]) -> tuple[set[int], list[Entry]]:
    rows = connection.execute(_PASSAGES, {"numbers": list(due)})
    return set(due), [_passage(row) for row in rows]


def _passage(row: Any) -> Entry:
    words = passage_entry(row.text, row.tags)
    return Entry(row.number, entry_text(words), {TEXT: words_of(words), CONTEXT: words_of(row.context or "")})


def _write(
    connection: Connection, agent: int, table: str, affected: set[int], entries: Sequence[Entry]
) -> None:
    name = TABLES[table]
    stems = stems_of(
        connection, (word for entry in entries for each in entry.words.values() for word in each)
    )
    new: Mapping[str, Any] = {
        "numbers": [entry.number for entry in entries],
        "texts": [entry.text for entry in entries],
        "words": [
            as_tsvector(
                agent, {column: [stems[word] for word in each] for column, each in entry.words.items()}
            )
            for entry in entries
        ],
        "near": [f"{{{','.join(map(str, entry.near))}}}" for entry in entries],
    }
    with_vectors = note_changes(connection, name, new["numbers"], new["texts"])
    connection.execute(text(_UPSERT.format(name=name)), new)
    if with_vectors:
        note_new(connection, name, new["numbers"])
    gone = text(f"DELETE FROM {name}_entries WHERE number = ANY(CAST(:numbers AS bigint[]))")
    if gone_numbers := list(affected - set(new["numbers"])):
        connection.execute(gone, {"numbers": gone_numbers})
