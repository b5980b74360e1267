"""Read a message's two neighbours on each side in its thread from SQLite."""

import json
import sqlite3
from collections.abc import Iterable

from ...agents.thread_keys import thread_name
from ...search.neighbours import WITHDRAWN, Around, Said, heard_words, in_thread
from ...tables.columns import from_stored

_BLANK = "char(9, 10, 13, 32)"


def searchable(table: str) -> str:
    """Return the condition that a message can be found: it has spoken text and was not withdrawn."""
    return (
        f"({table}.role IN ('user', 'assistant') AND trim({heard_words(table)}, {_BLANK}) <> '' "
        f"AND ({table}.status IS NULL OR {table}.status <> '{WITHDRAWN}'))"
    )


_COLUMNS = (
    "said.number, said.id, said.thread_id, said.role, coalesce(nullif(said.name, ''), said.role), "
    f"{heard_words('said')}, said.created_at"
)


def said(connection: sqlite3.Connection, numbers: Iterable[int]) -> dict[int, Said]:
    """Return the messages with these numbers that can be found, by number."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM messages AS said "
        f"WHERE said.number IN (SELECT value FROM json_each(?)) AND {searchable('said')} "
        f"AND {in_thread('said')}",
        (json.dumps(list(numbers)),),
    )
    return {row[0]: _as_said(row) for row in rows}


def _beside(before: str, order: str) -> str:
    """Return the query for the numbers of two neighbours of `middle`; it walks one index."""
    return (
        f"SELECT near.number FROM messages AS near WHERE near.thread_id = middle.thread_id "
        f"AND near.number {before} middle.number AND {searchable('near')} "
        f"ORDER BY near.number {order} LIMIT 2"
    )


_SIDES = {"<": _beside("<", "DESC"), ">": _beside(">", "ASC")}
_GIVEN = "FROM json_each(?1) AS given JOIN messages AS middle ON middle.number = given.value"
_AROUND = " UNION ALL ".join(
    f"SELECT {_COLUMNS}, middle.number, '{side}' {_GIVEN} JOIN messages AS said ON said.number IN ({numbers})"
    for side, numbers in _SIDES.items()
)
_CONTEXT = ", ".join(
    f"(SELECT group_concat(substr({heard_words('said')}, 1, ?2), char(10)) FROM messages AS said "
    f"WHERE said.number IN ({numbers}))"
    for numbers in _SIDES.values()
)
_NUMBERS = " UNION ALL ".join(
    f"SELECT said.number {_GIVEN} JOIN messages AS said ON said.number IN ({numbers})"
    for numbers in _SIDES.values()
)


def numbers_around(connection: sqlite3.Connection, numbers: Iterable[int]) -> set[int]:
    """Return the numbers of the neighbours of the messages with these numbers."""
    return {number for (number,) in connection.execute(_NUMBERS, (json.dumps(list(numbers)),))}


def texts_around(connection: sqlite3.Connection, numbers: Iterable[int], longest: int) -> dict[int, str]:
    """Return the texts around the messages with these numbers, one per line, oldest first.

    Only the first `longest` characters of each text are used. SQLite joins the texts: Python would hold its
    global lock for milliseconds, and a running turn would wait for it.
    """
    rows = connection.execute(
        f"SELECT middle.number, {_CONTEXT} {_GIVEN}", (json.dumps(list(numbers)), longest)
    )
    return {number: "\n".join(filter(None, sides)) for number, *sides in rows}


def around(connection: sqlite3.Connection, numbers: Iterable[int]) -> dict[int, Around]:
    """Return the neighbours of the messages with these numbers, by number, in one statement."""
    wanted = list(numbers)
    found = {number: Around() for number in wanted}
    for row in connection.execute(f"{_AROUND} ORDER BY 1", (json.dumps(wanted),)):
        near = found[row[-2]]
        (near.before if row[-1] == "<" else near.after).append(_as_said(row))
    return found


def _as_said(row: tuple[int, str, str, str, str, str, str]) -> Said:
    return Said(
        number=row[0],
        id=row[1],
        thread_id=thread_name(row[2]),
        role=row[3],
        speaker=row[4],
        text=row[5],
        created_at=from_stored(row[6]),
    )
