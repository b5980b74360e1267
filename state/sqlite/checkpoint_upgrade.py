"""Open the checkpoint file: create it, or rewrite a file of LangGraph's saver."""

import json
import logging
import sqlite3
from typing import Any

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from ..checkpoints.checkpoint_rows import config_of, put, put_writes
from ..checkpoints.pieces import Known
from ..errors import StorageError
from .checkpoint_rows import MAKE_TABLES, write
from .connection import BUSY_SECONDS, PAGE_BYTES

log = logging.getLogger(__name__)

FORMAT = 3
"""The `user_version` of a file in this format."""
_CONVERTED = 2
"""A file with our tables whose free pages may still hold deleted text; lower versions are LangGraph's."""

_OLD = {"checkpoints", "writes"}
"""Tables of LangGraph's saver."""

_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=NORMAL",
    # The default differs between builds of SQLite. ON overwrites what pruning deletes, which erasing could
    # not find any more. FAST would leave whole pages, and the ends of reused ones.
    "secure_delete=ON",
)


def prepare(connection: sqlite3.Connection, path: str) -> None:
    """Set up the file. Raises `sqlite3.Error`, and `StorageError` for a file of a newer version."""
    connection.execute(f"PRAGMA busy_timeout={int(BUSY_SECONDS * 1000)}")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > FORMAT:
        raise StorageError(
            f"the checkpoint file {path} was created by a newer version of voicegraph: upgrade voicegraph or "
            "choose another database"
        )
    is_new = connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None
    if is_new:
        connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
    if version == FORMAT:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have done it in the meantime.
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version < _CONVERTED:
            _make_tables(connection)
            connection.execute(f"PRAGMA user_version={FORMAT if is_new else _CONVERTED}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
    if version < FORMAT and not is_new:
        _shrink(connection)


def _make_tables(connection: sqlite3.Connection) -> None:
    """Create our tables, with the contents of those of LangGraph's saver."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for table in _OLD & tables:
        connection.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
    for statement in MAKE_TABLES:
        connection.execute(statement)
    if tables >= _OLD:
        log.info("rewriting the checkpoints in this version's format")
        _convert(connection)


def _convert(connection: sqlite3.Connection) -> None:
    """Copy the rows of LangGraph's saver into our tables, and drop its tables."""
    serde = JsonPlusSerializer(allowed_msgpack_modules=None)
    thread, known = "", Known()
    old = connection.execute(
        "SELECT thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, type, checkpoint, metadata "
        "FROM old_checkpoints ORDER BY thread_id, checkpoint_ns, checkpoint_id"
    )
    for thread_id, space, checkpoint_id, parent_id, kind, body, metadata in old:
        if thread_id != thread:
            thread, known = thread_id, Known()
        config = config_of(thread_id, space, parent_id)
        checkpoint = serde.loads_typed((kind, body))
        of_checkpoint: Any = json.loads(metadata) if metadata else {}
        write(connection, put(config, checkpoint, of_checkpoint, serde, known))
        known.of_object.clear()
        _convert_writes(connection, (thread_id, space, checkpoint_id), serde, known)
    for table in _OLD:
        connection.execute(f"DROP TABLE old_{table}")


def _convert_writes(
    connection: sqlite3.Connection, place: tuple[str, str, str], serde: JsonPlusSerializer, known: Known
) -> None:
    old = connection.execute(
        "SELECT task_id, channel, type, value FROM old_writes WHERE thread_id = ? AND checkpoint_ns = ? "
        "AND checkpoint_id = ? ORDER BY task_id, idx",
        place,
    )
    of_tasks: dict[str, list[tuple[str, Any]]] = {}
    for task_id, channel, kind, value in old:
        of_tasks.setdefault(task_id, []).append((channel, serde.loads_typed((kind, value))))
    for task_id, writes in of_tasks.items():
        write(connection, put_writes(config_of(*place), writes, (task_id, ""), serde, known))
        known.of_object.clear()


def _shrink(connection: sqlite3.Connection) -> None:
    """Rewrite the file in small pages, without data that was deleted before deletions were overwritten."""
    try:
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
    except sqlite3.OperationalError:
        pass  # Another process has it open: the pages stay large.
    connection.execute("VACUUM")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(f"PRAGMA user_version={FORMAT}")
