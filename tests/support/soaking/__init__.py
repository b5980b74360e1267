"""Many callers of several server processes on one PostgreSQL, of which some are killed now and then."""
