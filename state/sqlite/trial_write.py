"""A trial write to SQLite that reaches the disk although it is rolled back."""

import sqlite3

_BYTES = 200_000
_FEW_PAGES = 10
"""Size of the page cache during the trial: pages that do not fit are written before the commit."""


def fill_pages(connection: sqlite3.Connection, statement: str) -> None:
    """Run a statement that inserts one value, a large text, in the caller's transaction."""
    [pages] = connection.execute("PRAGMA cache_size").fetchone()
    connection.execute(f"PRAGMA cache_size={_FEW_PAGES}")
    try:
        connection.execute(statement, ("x" * _BYTES,))
    finally:
        connection.execute(f"PRAGMA cache_size={pages}")
