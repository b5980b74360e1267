"""Make the tables of checkpoints, and move what LangGraph's saver stored in its own into them.

A thread at a time, each in a transaction: what a process that was killed has not moved, the next one does.
Other applications may use the same tables: only threads that are in the table `threads` are moved.
"""

import asyncio
import logging
from contextlib import suppress
from typing import Any, LiteralString

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from psycopg import errors
from psycopg.rows import dict_row, tuple_row

from ..checkpoints.checkpoint_rows import config_of, put, put_writes
from ..checkpoints.pieces import Known
from .checkpoint_rows import MAKE_TABLES, TABLES, Connection, Write, write

log = logging.getLogger(__name__)

_MAKING_TABLES = 0x766F696365 + 1
_LOOK_AGAIN = 0.05
"""Seconds between two looks if another process has made the tables."""

_OLD: tuple[LiteralString, ...] = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")
"""Tables of LangGraph's saver."""
_MOVING = "checkpoints are still moved into this table"
"""Comment on our table until all is moved."""
_GET_COMMENT: LiteralString = "SELECT obj_description(to_regclass(%s), 'pg_class')"

_THREADS: LiteralString = (
    "SELECT id FROM threads WHERE id IN (SELECT thread_id FROM checkpoints) "
    "OR id IN (SELECT thread_id FROM checkpoint_writes) ORDER BY 1"
)
_CHECKPOINTS = """
    SELECT checkpoint_ns, checkpoint_id, parent_checkpoint_id, checkpoint, metadata, ARRAY(
        SELECT array[convert_to(channel, 'UTF8'), convert_to(type, 'UTF8'), blob]
        FROM jsonb_each_text(checkpoint -> 'channel_versions') AS given JOIN checkpoint_blobs AS stored
        ON stored.thread_id = %(thread)s AND stored.checkpoint_ns = checkpoints.checkpoint_ns
        AND stored.channel = given.key AND stored.version = given.value WHERE type <> 'empty'
    ) AS blobs FROM checkpoints WHERE thread_id = %(thread)s ORDER BY checkpoint_ns, checkpoint_id
"""
_WRITES = """
    SELECT checkpoint_ns, checkpoint_id, task_id, task_path, channel, type, blob
    FROM checkpoint_writes WHERE thread_id = %(thread)s
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
    return await _has(connection, TABLES[-1]) and not await _is_moving(connection)


async def _is_moving(connection: Connection) -> bool:
    [[comment]] = await _rows(connection, _GET_COMMENT, TABLES[0])
    return comment == _MOVING


async def _make_tables(connection: Connection) -> None:
    async with connection.transaction():
        is_new = not await _has(connection, TABLES[-1])
        for statement in MAKE_TABLES:
            await connection.execute(statement)
        if is_new and await _has(connection, _OLD[-1]) and await _has(connection, "threads"):
            log.info("moving the checkpoints into the tables of this version")
            await connection.execute(f"COMMENT ON TABLE {TABLES[0]} IS '{_MOVING}'")


async def _move(connection: Connection) -> None:
    if not await _is_moving(connection):
        return
    serde = JsonPlusSerializer(allowed_msgpack_modules=None)
    threads = await _rows(connection, _THREADS)
    for (thread_id,) in threads:
        await _move_thread(connection, thread_id, serde)
    await connection.execute(f"COMMENT ON TABLE {TABLES[0]} IS NULL")
    with suppress(errors.InsufficientPrivilege):
        async with connection.transaction():
            await connection.execute(f"LOCK TABLE {', '.join(_OLD)} IN ACCESS EXCLUSIVE MODE")
            [[others]] = await _rows(connection, f"SELECT EXISTS (SELECT FROM {_OLD[0]})")
            if not others:  # Deleted rows would stay in the files until the next VACUUM.
                await connection.execute(f"TRUNCATE {', '.join(_OLD)}")


async def _move_thread(connection: Connection, thread_id: str, serde: JsonPlusSerializer) -> None:
    async with connection.transaction():
        # What a process of an earlier version still writes comes before or after, and never in between.
        await connection.execute(f"LOCK TABLE {', '.join(_OLD)} IN EXCLUSIVE MODE")
        await write(connection, await _rewritten(connection, thread_id, serde))
        for table in _OLD:
            await connection.execute(
                f"DELETE FROM {table} WHERE thread_id = %(thread)s", {"thread": thread_id}
            )


async def _rewritten(connection: Connection, thread_id: str, serde: JsonPlusSerializer) -> list[Write]:
    """Return the writes that make the thread's checkpoints anew."""
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
    return writes


async def _has(connection: Connection, table: str) -> bool:
    [[there]] = await _rows(connection, "SELECT to_regclass(%s) IS NOT NULL", table)
    return there


async def _rows(connection: Connection, query: LiteralString, *given: object) -> list[tuple[Any, ...]]:
    cursor = connection.cursor(row_factory=tuple_row)
    await cursor.execute(query, given)
    return await cursor.fetchall()
