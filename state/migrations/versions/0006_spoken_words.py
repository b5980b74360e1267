"""What was spoken for a message, if that differs from its text.

Revision ID: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    text = sa.Text(collation="C" if op.get_bind().dialect.name == "postgresql" else None)
    op.add_column("messages", sa.Column("spoken", text, nullable=True))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("messages", "spoken")
