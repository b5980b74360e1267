"""Everything that is for PostgreSQL alone."""
