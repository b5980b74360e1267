"""Everything that is for SQLite alone."""
