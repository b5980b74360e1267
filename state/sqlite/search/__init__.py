"""Search on SQLite: FTS5 in a file of its own, vectors compared by numpy."""
