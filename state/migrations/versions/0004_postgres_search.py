"""PostgreSQL's search index, and texts sorted there as on SQLite.

Revision ID: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# The entries of each searched table. SQLite's index is in a separate file, which is not migrated here.
ENTRIES = {"messages": "recall", "passages": "archive"}
ORDERED = (
    "organizations",
    "users",
    "api_keys",
    "agents",
    "blocks",
    "agents_blocks",
    "block_versions",
    "threads",
    "messages",
    "passages",
    "tool_runs",
    "index_removals",
)


def upgrade() -> None:
    """Create the tables of the index and make all stored rows due; on SQLite do nothing."""
    if op.get_bind().dialect.name != "postgresql":
        return
    for table in ORDERED:
        _order_by_characters(table)
    for table, name in ENTRIES.items():
        op.execute(
            f"CREATE TABLE {name}_entries (number bigint PRIMARY KEY REFERENCES {table} ON DELETE CASCADE, "
            "text text NOT NULL, words tsvector NOT NULL)"
        )
        # Without a pending list, which each search would scan.
        op.execute(
            f"CREATE INDEX ix_{name}_entries_words ON {name}_entries USING gin (words) "
            "WITH (fastupdate = off)"
        )
        op.execute(
            f"CREATE TABLE {name}_vectors (number bigint PRIMARY KEY REFERENCES {name}_entries "
            "ON DELETE CASCADE, model text, vector real[], taken_at timestamptz)"
        )
        op.execute(f"ALTER TABLE {name}_vectors ALTER COLUMN vector SET STORAGE EXTERNAL")
        op.execute(f"CREATE INDEX ix_{name}_vectors_due ON {name}_vectors (number) WHERE model IS NULL")
        op.execute(f"UPDATE {table} SET indexed_at = NULL WHERE indexed_at IS NOT NULL")
    op.execute("CREATE TABLE embedder (model text NOT NULL)")


def _order_by_characters(table: str) -> None:
    """Sort the texts of a table by their characters, not by a language's rules, which are also slower.

    All columns are changed: an index cannot join two columns with different collations.
    """
    columns = sa.inspect(op.get_bind()).get_columns(table)
    changes = (
        f'ALTER COLUMN "{column["name"]}" TYPE text COLLATE "C"'
        for column in columns
        if isinstance(column["type"], sa.Text)
    )
    op.execute(f"ALTER TABLE {table} {', '.join(changes)}")


def downgrade() -> None:
    """Drop what `upgrade` created; the sort order of texts stays."""
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute("DROP TABLE embedder")
    for name in ENTRIES.values():
        op.execute(f"DROP TABLE {name}_vectors")
        op.execute(f"DROP TABLE {name}_entries")
