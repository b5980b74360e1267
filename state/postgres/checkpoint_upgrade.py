"""Make the tables of checkpoints, and move what LangGraph's saver stored in its own into them.

A thread at a time, each in a transaction: what a process that was killed has not moved, the next one does.
"""

import asyncio
import logging
from typing import Any, LiteralString

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from psycopg.rows import dict_row, tuple_row

from ..checkpoints.checkpoint_rows import config_of, put, put_writes
from ..checkpoints.pieces import Known
from .checkpoint_rows import MAKE_TABLES, TABLES, Connection, Write, write

log = logging.getLogger(__name__)

_MAKING_TABLES = 0x766F696365 + 1
_LOOK_AGAIN = 0.05
"""Seconds between two looks if another process has made the tables."""

_OLD: tuple[LiteralString, ...] = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")
"""Tables of LangGraph's saver, which are called `old_` and so on while their rows are moved."""

_THREADS: LiteralString = (
    "SELECT thread_id FROM old_checkpoints UNION SELECT thread_id FROM old_checkpoint_writes ORDER BY 1"
)
_CHECKPOINTS = """
    SELECT checkpoint_ns, checkpoint_id, parent_checkpoint_id, checkpoint, metadata, ARRAY(
        SELECT array[convert_to(channel, 'UTF8'), convert_to(type, 'UTF8'), blob]
        FROM jsonb_each_text(checkpoint -> 'channel_versions') AS given JOIN old_checkpoint_blobs AS stored
        ON stored.thread_id = %(thread)s AND stored.checkpoint_ns = old_checkpoints.checkpoint_ns
        AND stored.channel = given.key AND stored.version = given.value WHERE type <> 'empty'
    ) AS blobs FROM old_checkpoints WHERE thread_id = %(thread)s ORDER BY checkpoint_ns, checkpoint_id
"""
_WRITES = """
    SELECT checkpoint_ns, checkpoint_id, task_id, task_path, channel, type, blob
    FROM old_checkpoint_writes WHERE thread_id = %(thread)s
    ORDER BY checkpoint_ns, checkpoint_id, task_path, task_id, idx
"""


async def prepare(connection: Connection) -> None:
    """Make the tables unless they are there, in one process at a time."""
    while not await _is_ready(connection):
        [[taken]] = await _rows(connection, "SELECT pg_try_advisory_lock(%s)", _MAKING_TABLES)
        if taken:
            await _make_tables(connection)
            await _move(connection)
            await connection.execute("SELECT pg_advisory_unlock(%s)", (_MAKING_TABLES,))
            return
        await asyncio.sleep(_LOOK_AGAIN)


async def _is_ready(connection: Connection) -> bool:
    return await _has(connection, TABLES[-1]) and not await _has(connection, f"old_{_OLD[0]}")


async def _make_tables(connection: Connection) -> None:
    """Make our tables, and rename those of LangGraph's saver: no process of an older version writes them."""
    async with connection.transaction():
        if not await _has(connection, TABLES[-1]) and await _has(connection, _OLD[-1]):
            log.info("moving the checkpoints into the tables of this version")
            for table in _OLD:
                await connection.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
            await connection.execute("DROP TABLE checkpoint_migrations")
        for statement in MAKE_TABLES:
            await connection.execute(statement)


async def _move(connection: Connection) -> None:
    if not await _has(connection, f"old_{_OLD[0]}"):
        return
    serde = JsonPlusSerializer(allowed_msgpack_modules=None)
    threads = await _rows(connection, _THREADS)
    for (thread_id,) in threads:
        await _move_thread(connection, thread_id, serde)
    await connection.execute(f"DROP TABLE {', '.join(f'old_{table}' for table in _OLD)}")


async def _move_thread(connection: Connection, thread_id: str, serde: JsonPlusSerializer) -> None:
    known, thread = Known(), {"thread": thread_id}
    writes: list[Write] = []
    cursor = connection.cursor(row_factory=dict_row)
    for old in await (await cursor.execute(_CHECKPOINTS, thread)).fetchall():
        config = config_of(thread_id, old["checkpoint_ns"], old["parent_checkpoint_id"])
        blobs = {name.decode(): serde.loads_typed((kind.decode(), blob)) for name, kind, blob in old["blobs"]}
        values: dict[str, Any] = {**(old["checkpoint"].get("channel_values") or {}), **blobs}
        checkpoint: Any = {**old["checkpoint"], "id": old["checkpoint_id"], "channel_values": values}
        writes += put(config, checkpoint, old["metadata"], serde, known)
        known.of_object.clear()
    of_tasks: dict[tuple[str, ...], list[tuple[str, Any]]] = {}
    for old in await (await cursor.execute(_WRITES, thread)).fetchall():
        place = (old["checkpoint_ns"], old["checkpoint_id"], old["task_id"], old["task_path"])
        given = (old["channel"], serde.loads_typed((old["type"], old["blob"])))
        of_tasks.setdefault(place, []).append(given)
    for (space, checkpoint_id, *task), results in of_tasks.items():
        config = config_of(thread_id, space, checkpoint_id)
        writes += put_writes(config, results, (task[0], task[1]), serde, known)
        known.of_object.clear()

    async def delete(connection: Connection) -> None:
        for table in _OLD:
            await connection.execute(f"DELETE FROM old_{table} WHERE thread_id = %(thread)s", thread)

    await write(connection, [*writes, delete])


async def _has(connection: Connection, table: str) -> bool:
    [[there]] = await _rows(connection, "SELECT to_regclass(%s) IS NOT NULL", table)
    return there


async def _rows(connection: Connection, query: LiteralString, *given: object) -> list[tuple[Any, ...]]:
    cursor = connection.cursor(row_factory=tuple_row)
    await cursor.execute(query, given)
    return await cursor.fetchall()
