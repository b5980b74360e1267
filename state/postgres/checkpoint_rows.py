"""Checkpoints in a PostgreSQL database: tables, statements, and reading."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, LiteralString, cast

from psycopg import AsyncConnection
from psycopg.rows import tuple_row

from ..checkpoints.checkpoint_rows import Found, Raw, Row

Connection = AsyncConnection[Any]
Write = Row | Callable[[Connection], Awaitable[None]]

TABLES: tuple[LiteralString, ...] = ("thread_checkpoints", "thread_writes", "thread_pieces")

# Rows of up to a page stay whole: what is moved out of one is written to a table and an index of its own.
_IN_ROW = "WITH (toast_tuple_target = 8160)"
MAKE_TABLES: tuple[LiteralString, ...] = (
    f'CREATE TABLE IF NOT EXISTS thread_checkpoints (thread_id text COLLATE "C" NOT NULL, '
    f'space text COLLATE "C" NOT NULL, id text COLLATE "C" NOT NULL, parent_id text COLLATE "C", '
    f"digests bytea NOT NULL, body bytea NOT NULL, PRIMARY KEY (thread_id, space, id)) {_IN_ROW}",
    f'CREATE TABLE IF NOT EXISTS thread_writes (thread_id text COLLATE "C" NOT NULL, '
    f'space text COLLATE "C" NOT NULL, checkpoint_id text COLLATE "C" NOT NULL, '
    f'task_id text COLLATE "C" NOT NULL, place integer NOT NULL, task_path text COLLATE "C" NOT NULL, '
    f"digests bytea NOT NULL, body bytea NOT NULL, "
    f"PRIMARY KEY (thread_id, space, checkpoint_id, task_id, place)) {_IN_ROW}",
    'CREATE TABLE IF NOT EXISTS thread_pieces (thread_id text COLLATE "C" NOT NULL, '
    "digest bytea NOT NULL, body bytea NOT NULL, PRIMARY KEY (thread_id, digest))",
)

_INSERT: Mapping[str, LiteralString] = {
    "piece": "INSERT INTO thread_pieces VALUES (%s, %b, %b) ON CONFLICT DO NOTHING",
    "checkpoint": "INSERT INTO thread_checkpoints VALUES (%s, %s, %s, %s, %b, %b) "
    "ON CONFLICT (thread_id, space, id) DO UPDATE SET parent_id = excluded.parent_id, "
    "digests = excluded.digests, body = excluded.body",
    "result": "INSERT INTO thread_writes VALUES (%s, %s, %s, %s, %s, %s, %b, %b) ON CONFLICT DO NOTHING",
    "error": "INSERT INTO thread_writes VALUES (%s, %s, %s, %s, %s, %s, %b, %b) "
    "ON CONFLICT (thread_id, space, checkpoint_id, task_id, place) DO UPDATE SET "
    "task_path = excluded.task_path, digests = excluded.digests, body = excluded.body",
}

# In one statement: all of it is as it was at one moment.
_READ = """
    WITH found AS MATERIALIZED (
        SELECT * FROM thread_checkpoints WHERE {where} ORDER BY id DESC LIMIT {most}
    )
    SELECT 1, thread_id, space, id, parent_id, digests, body, '', 0 FROM found
    UNION ALL SELECT 2, thread_id, space, checkpoint_id, task_id, digests, body, task_path, place
        FROM thread_writes WHERE (thread_id, space, checkpoint_id) IN (SELECT thread_id, space, id FROM found)
    UNION ALL SELECT 3, thread_id, '', '', '', digest, body, '', 0
        FROM thread_pieces WHERE thread_id IN (SELECT thread_id FROM found)
"""

_THREAD: LiteralString = "thread_id = %(thread)s"
_SPACE: LiteralString = f"{_THREAD} AND space = ''"
_OLDEST_KEPT: LiteralString = (
    f"(SELECT id FROM thread_checkpoints WHERE {_SPACE} ORDER BY id DESC LIMIT 1 OFFSET %(after)s)"
)
_PRUNE: tuple[LiteralString, ...] = (
    # The checkpoints after their writes: they show how old those are.
    f"DELETE FROM thread_writes WHERE {_SPACE} AND checkpoint_id < {_OLDEST_KEPT}",
    f"DELETE FROM thread_checkpoints WHERE {_SPACE} AND id < {_OLDEST_KEPT}",
    f"DELETE FROM thread_pieces WHERE {_THREAD} AND digest NOT IN ("
    "SELECT substring(digests FROM first FOR 8) FROM ("
    f"SELECT digests FROM thread_checkpoints WHERE {_THREAD} UNION ALL "
    f"SELECT digests FROM thread_writes WHERE {_THREAD}) AS kept, "
    "generate_series(1, length(digests), 8) AS first)",
)


async def prune(connection: Connection, thread_id: str, keep: int) -> None:
    """Delete all but the newest `keep` checkpoints of a thread, and what only they need."""
    for statement in _PRUNE:
        await connection.execute(statement, {"thread": thread_id, "after": keep - 1})


async def erase(connection: Connection, thread_ids: Sequence[str]) -> None:
    """Delete all checkpoints of threads."""
    for table in TABLES:
        await connection.execute(f"DELETE FROM {table} WHERE thread_id = ANY(%s)", (list(thread_ids),))


def newest_of(writes: Sequence[Write]) -> Sequence[str]:
    """Return the ids of the checkpoints that are written, but for those of subgraphs."""
    written = [each[1] for each in writes if not callable(each) and each[0] == "checkpoint"]
    return [id_ for _, space, id_, *_ in written if not space]


async def write(connection: Connection, writes: Sequence[Write]) -> None:
    """Write rows and call functions with the connection, in one transaction and one round trip."""
    async with connection.pipeline(), connection.transaction():
        for each in writes:
            if callable(each):
                await each(connection)
            else:
                kind, values = each
                await connection.execute(_INSERT[kind], values)


async def read(connection: Connection, wanted: Mapping[str, Any], *, newest: bool) -> Found:
    """Return the checkpoints that conditions on their columns hold for, or the newest one of them."""
    where = " AND ".join(f"{condition} %s" for condition in wanted) or "TRUE"
    query = cast(LiteralString, _READ.format(where=where, most="1" if newest else "ALL"))
    cursor = connection.cursor(binary=True, row_factory=tuple_row)
    await cursor.execute(query, list(wanted.values()))
    found = await cursor.fetchall()
    checkpoints: list[Raw] = [row[1:7] for row in found if row[0] == 1]
    pieces: dict[str, dict[bytes, bytes]] = {}
    for row in found:
        if row[0] == 3:
            pieces.setdefault(row[1], {})[row[5]] = row[6]
    return Found(sorted(checkpoints, key=_id, reverse=True), _writes(found), pieces)


async def count(connection: Connection, thread_ids: Sequence[str]) -> dict[str, int]:
    """Return how many rows of each table belong to threads."""
    counts: dict[str, int] = {}
    for table in TABLES:
        query: LiteralString = f"SELECT count(*) FROM {table} WHERE thread_id = ANY(%s)"
        [[counts[table]]] = await (await connection.execute(query, (list(thread_ids),))).fetchall()
    return counts


async def threads(connection: Connection, thread_id: str | None) -> dict[tuple[str, str], int]:
    """Return the number of checkpoints by thread and name space, of all threads or of one."""
    cursor = await connection.execute(
        "SELECT thread_id, space, count(*) FROM thread_checkpoints "
        "WHERE %(thread)s::text IS NULL OR thread_id = %(thread)s GROUP BY 1, 2 ORDER BY 1, 2",
        {"thread": thread_id},
    )
    return {(thread, space): number for thread, space, number in await cursor.fetchall()}


def _writes(found: Sequence[Any]) -> dict[tuple[str, str, str], list[tuple[str, bytes, bytes]]]:
    writes: dict[tuple[str, str, str], list[tuple[str, bytes, bytes]]] = {}
    for _, *checkpoint, task_id, digests, body, _, _ in sorted(
        (row for row in found if row[0] == 2), key=_order
    ):
        writes.setdefault((checkpoint[0], checkpoint[1], checkpoint[2]), []).append((task_id, digests, body))
    return writes


def _id(raw: Raw) -> str:
    return raw[2]


def _order(row: Sequence[Any]) -> tuple[str, str, int]:
    return row[7], row[4], row[8]
