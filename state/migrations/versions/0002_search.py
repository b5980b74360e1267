"""Which messages and passages are in the search index, and which of its entries must be removed.

Revision ID: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SEARCHED = ("messages", "passages")


def upgrade() -> None:
    """Add the columns, with every row due, and the table of removals with its triggers."""
    op.create_table(
        "index_removals",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("number", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_index_removals")),
        sqlite_autoincrement=True,
    )
    for table in SEARCHED:
        op.add_column(table, sa.Column("indexed_at", sa.DateTime(timezone=True), nullable=True))
        due = sa.text("indexed_at IS NULL")
        op.create_index(f"ix_{table}_due", table, ["number"], sqlite_where=due, postgresql_where=due)
        if op.get_bind().dialect.name == "sqlite":
            op.execute(
                f"CREATE TRIGGER {table}_removed AFTER DELETE ON {table} BEGIN "
                f"INSERT INTO index_removals (kind, number) VALUES ('{table}', old.number); END"
            )


def downgrade() -> None:
    """Drop what `upgrade` added."""
    for table in SEARCHED:
        if op.get_bind().dialect.name == "sqlite":
            op.execute(f"DROP TRIGGER {table}_removed")
        op.drop_index(f"ix_{table}_due", table)
        op.drop_column(table, "indexed_at")
    op.drop_table("index_removals")
