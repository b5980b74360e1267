"""PostgreSQL's index holds the numbers of the messages around each one in place of their words.

What is in the index already stays as it is, and is found as before.

Revision ID: 0008
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

ENTRIES = {"messages": "recall", "passages": "archive"}


def upgrade() -> None:
    """Add the column, and room in each page for an entry whose neighbours change; on SQLite do nothing."""
    if op.get_bind().dialect.name != "postgresql":
        return
    for name in ENTRIES.values():
        op.execute(f"ALTER TABLE {name}_entries ADD COLUMN near bigint[] NOT NULL DEFAULT '{{}}'")
        op.execute(f"ALTER TABLE {name}_entries SET (fillfactor = 75)")
        # Taken in some at a time: what is in the index of a frequent word is written anew each time. The list
        # of what is still to be taken in, which each search reads from end to end, holds about 50 messages.
        op.execute(f"ALTER INDEX ix_{name}_entries_words SET (fastupdate = on, gin_pending_list_limit = 64)")


def downgrade() -> None:
    """Drop the column, and take all in again: older versions look for the words."""
    if op.get_bind().dialect.name != "postgresql":
        return
    for table, name in ENTRIES.items():
        op.execute(f"ALTER TABLE {name}_entries DROP COLUMN near")
        op.execute(f"ALTER TABLE {name}_entries RESET (fillfactor)")
        op.execute(f"ALTER INDEX ix_{name}_entries_words RESET (gin_pending_list_limit)")
        op.execute(f"ALTER INDEX ix_{name}_entries_words SET (fastupdate = off)")
        op.execute(f"UPDATE {table} SET indexed_at = NULL WHERE indexed_at IS NOT NULL")
