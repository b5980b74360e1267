"""Store threads under keys that include their owner: each user has thread ids of their own.

On SQLite the checkpoints are in a separate file, which is changed first. If the process dies before the
database is changed, the next attempt repeats the change with the same result.

Revision ID: 0007
"""

import sqlite3
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa
from alembic import op

from voicegraph.state.database.faults import storage_error

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

COLUMNS = "organization_id, user_id, agent_id, created_at, updated_at"
CHILDREN = ("messages", "tool_runs", "turn_journal")
CHECKPOINTS = (
    "checkpoints",
    "checkpoint_blobs",
    "checkpoint_writes",
    "thread_checkpoints",
    "thread_writes",
    "thread_pieces",
)
CHECKPOINTS_ON_SQLITE = ("checkpoints", "writes", "pieces")
OF_OTHERS = "NOT (organization_id = 'default' AND user_id = 'default')"
BUSY_SECONDS = 5.0
SEPARATOR = "\x1f"


def upgrade() -> None:
    """Give the threads of all actors except the default one their keys."""
    # From now on the id contains the owner: an index entry with both may be too long for PostgreSQL.
    op.drop_index(op.f("ix_threads_organization_id_user_id_created_at_id"), "threads")
    columns = ["organization_id", "user_id", "created_at"]
    op.create_index(op.f("ix_threads_organization_id_user_id_created_at"), "threads", columns)
    owner = f"organization_id || '{SEPARATOR}' || user_id || '{SEPARATOR}'"
    is_key = f"substr(id, 1, length({owner})) = {owner}"  # A key that `downgrade` could not shorten.
    _rename(f"SELECT id, {owner} || id FROM threads WHERE {OF_OTHERS} AND NOT {is_key}")


def downgrade() -> None:
    """Give threads their names back, except those whose name several users have."""
    owner = "length(organization_id) + length(user_id) + 3"
    name = f"CASE WHEN {OF_OTHERS} THEN substr(id, {owner}) ELSE id END"
    named = f"(SELECT id, {name} AS name FROM threads)"
    once = f"SELECT name FROM {named} AS known GROUP BY name HAVING count(*) = 1"
    _rename(f"SELECT id, name FROM {named} AS known WHERE id <> name AND name IN ({once})")
    op.drop_index(op.f("ix_threads_organization_id_user_id_created_at"), "threads")
    columns = ["organization_id", "user_id", "created_at", "id"]
    op.create_index(op.f("ix_threads_organization_id_user_id_created_at_id"), "threads", columns)


def _rename(wanted: str) -> None:
    """Change thread ids: `wanted` selects the old and the new ones."""
    connection = op.get_bind()
    order = ' COLLATE "C"' if connection.dialect.name == "postgresql" else ""
    op.execute(f"CREATE TEMPORARY TABLE renamed (old text{order} PRIMARY KEY, new text{order} NOT NULL)")
    op.execute(f"INSERT INTO renamed {wanted}")
    op.execute("ANALYZE renamed")
    op.execute(
        f"INSERT INTO threads (id, {COLUMNS}) SELECT new, {COLUMNS} FROM threads JOIN renamed ON old = id"
    )
    for table in (*CHILDREN, *_checkpoints(connection)):
        op.execute(_change(table))
    op.execute("DELETE FROM threads WHERE id IN (SELECT old FROM renamed)")
    op.execute("DROP TABLE renamed")


def _checkpoints(connection: sa.Connection) -> list[str]:
    """Return the tables of checkpoints in the database; on SQLite change those in the separate file."""
    if connection.dialect.name == "postgresql":
        return [table for table in CHECKPOINTS if sa.inspect(connection).has_table(table)]
    config = op.get_context().config
    path = Path(config.attributes.get("checkpoints", ":memory:") if config else ":memory:")
    if path.exists():
        pairs = [(old, new) for old, new in connection.execute(sa.text("SELECT old, new FROM renamed"))]
        try:
            _change_file(path, pairs)
        except sqlite3.Error as error:
            raise storage_error(str(path), error) from error
    return []


def _change_file(path: Path, pairs: list[tuple[str, str]]) -> None:
    with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("CREATE TEMPORARY TABLE renamed (old text PRIMARY KEY, new text NOT NULL)")
        connection.executemany("INSERT INTO renamed VALUES (?, ?)", pairs)
        there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        for table in CHECKPOINTS_ON_SQLITE:
            if table in there:
                connection.execute(_change(table))
        connection.execute("COMMIT")


def _change(table: str) -> str:
    new = "(SELECT new FROM renamed WHERE old = thread_id)"
    return f"UPDATE {table} SET thread_id = {new} WHERE thread_id IN (SELECT old FROM renamed)"
