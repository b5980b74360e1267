"""Read a message's two neighbours on each side in its thread from PostgreSQL."""

from collections.abc import Collection
from datetime import UTC
from typing import Any

from sqlalchemy import Connection, text

from ...agents.thread_keys import thread_name
from ...search.neighbours import WITHDRAWN, Around, Said, heard_words, in_thread


def searchable(table: str) -> str:
    """Return the condition that a message can be found: it has spoken text and was not withdrawn."""
    return (
        f"({table}.role IN ('user', 'assistant') AND btrim({heard_words(table)}, E'\\t\\n\\r ') <> '' "
        f"AND ({table}.status IS NULL OR {table}.status <> '{WITHDRAWN}'))"
    )


_COLUMNS = (
    "said.number, said.id, said.thread_id, said.role, coalesce(nullif(said.name, ''), said.role) AS speaker, "
    f"{heard_words('said')} AS text, said.created_at"
)
_SAID = text(
    f"SELECT {_COLUMNS} FROM messages AS said "
    f"WHERE said.number = ANY(CAST(:numbers AS bigint[])) AND {searchable('said')} "
    f"AND {in_thread('said')}"
)


def _beside(side: str, order: str) -> str:
    """Return the query for each message's two neighbours on one side; it walks one index."""
    return f"""
        SELECT middle.number AS middle, '{side}' AS side, near.number AS near
        FROM messages AS middle CROSS JOIN LATERAL (
            SELECT said.number FROM messages AS said WHERE said.thread_id = middle.thread_id
            AND said.number {side} middle.number AND {searchable("said")}
            ORDER BY said.number {order} LIMIT 2
        ) AS near
        WHERE middle.number = ANY(CAST(:numbers AS bigint[]))
    """


_BOTH_SIDES = f"{_beside('<', 'DESC')} UNION ALL {_beside('>', 'ASC')}"
_NUMBERS = text(f"SELECT middle, near FROM ({_BOTH_SIDES}) AS beside ORDER BY middle, near")
_AROUND = text(
    f"SELECT {_COLUMNS}, beside.middle, beside.side FROM ({_BOTH_SIDES}) AS beside "
    "JOIN messages AS said ON said.number = beside.near ORDER BY said.number"
)


def said(connection: Connection, numbers: Collection[int]) -> dict[int, Said]:
    """Return the messages with these numbers that can be found, by number."""
    rows = connection.execute(_SAID, {"numbers": list(numbers)})
    return {row.number: _as_said(row) for row in rows}


def numbers_around(connection: Connection, numbers: Collection[int]) -> dict[int, list[int]]:
    """Return the numbers of each message's neighbours, oldest first."""
    found: dict[int, list[int]] = {number: [] for number in numbers}
    for middle, near in connection.execute(_NUMBERS, {"numbers": list(numbers)}):
        found[middle].append(near)
    return found


def around(connection: Connection, numbers: Collection[int]) -> dict[int, Around]:
    """Return the neighbours of the messages with these numbers, by number, in one statement."""
    found = {number: Around() for number in numbers}
    for row in connection.execute(_AROUND, {"numbers": list(numbers)}):
        near = found[row.middle]
        (near.before if row.side == "<" else near.after).append(_as_said(row))
    return found


def _as_said(row: Any) -> Said:
    return Said(
        number=row.number,
        id=row.id,
        thread_id=thread_name(row.thread_id),
        role=row.role,
        speaker=row.speaker,
        text=row.text,
        created_at=row.created_at.astimezone(UTC),
    )
