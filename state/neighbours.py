"""The two messages before and after another one, in its thread."""

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from .columns import from_stored

SEARCHED_ROLES = ("user", "assistant")

_BLANK = "char(9, 10, 13, 32)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Words of a caller or of the agent; `speaker` is a name when one is known, else the role."""

    number: int
    id: str
    thread_id: str
    role: str
    speaker: str
    text: str
    created_at: datetime


@dataclass(slots=True)
class Around:
    """What was said around a message, the oldest first."""

    before: list[Said] = field(default_factory=list[Said])
    after: list[Said] = field(default_factory=list[Said])


def searchable(table: str) -> str:
    """Return the condition that a message can be found: spoken words that were not withdrawn."""
    return (
        f"({table}.role IN ('user', 'assistant') AND trim({table}.text, {_BLANK}) <> '' "
        f"AND ({table}.status IS NULL OR {table}.status <> 'withdrawn'))"
    )


_COLUMNS = (
    "said.number, said.id, said.thread_id, said.role, coalesce(nullif(said.name, ''), said.role), said.text, "
    "said.created_at"
)


def said(connection: sqlite3.Connection, numbers: Iterable[int]) -> dict[int, Said]:
    """Return the messages with these numbers that can be found, by number."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM messages AS said "
        f"WHERE said.number IN (SELECT value FROM json_each(?)) AND {searchable('said')}",
        (json.dumps(list(numbers)),),
    )
    return {row[0]: _as_said(row) for row in rows}


def _side(before: str, order: str) -> str:
    # The sub-query walks the index over thread and number.
    return (
        f"SELECT {_COLUMNS}, middle.number, '{before}' FROM json_each(?1) AS given "
        "JOIN messages AS middle ON middle.number = given.value "
        "JOIN messages AS said ON said.number IN (SELECT near.number FROM messages AS near "
        f"WHERE near.thread_id = middle.thread_id AND near.number {before} middle.number "
        f"AND {searchable('near')} ORDER BY near.number {order} LIMIT 2)"
    )


_AROUND = f"{_side('<', 'DESC')} UNION ALL {_side('>', 'ASC')} ORDER BY 1"


def around(connection: sqlite3.Connection, numbers: Iterable[int]) -> dict[int, Around]:
    """Return what was said around the messages with these numbers, by number, in one statement."""
    wanted = list(numbers)
    found = {number: Around() for number in wanted}
    for row in connection.execute(_AROUND, (json.dumps(wanted),)):
        near = found[row[-2]]
        (near.before if row[-1] == "<" else near.after).append(_as_said(row))
    return found


def _as_said(row: tuple[int, str, str, str, str, str, str]) -> Said:
    return Said(
        number=row[0],
        id=row[1],
        thread_id=row[2],
        role=row[3],
        speaker=row[4],
        text=row[5],
        created_at=from_stored(row[6]),
    )
