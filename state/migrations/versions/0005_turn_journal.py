"""The journal of running turns.

Revision ID: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    # On PostgreSQL the texts of all tables are sorted by their characters.
    text = sa.Text(collation="C" if op.get_bind().dialect.name == "postgresql" else None)
    op.create_table(
        "turn_journal",
        sa.Column("thread_id", text, nullable=False),
        sa.Column("turn_id", text, nullable=False),
        sa.Column("process", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("messages", sa.JSON(), nullable=False),
        sa.Column("lost", text, nullable=False),
        sa.Column("spoken", text, nullable=False),
        sa.Column("resumed", sa.Boolean(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["thread_id"],
            ["threads.id"],
            name=op.f("fk_turn_journal_thread_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("thread_id", name=op.f("pk_turn_journal")),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("turn_journal")
