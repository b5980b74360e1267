"""Search on SQLite: FTS5 in a separate file, vectors compared by numpy."""
