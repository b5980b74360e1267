"""Search on PostgreSQL: `tsvector` entries beside the rows, vectors compared by pgvector or by numpy."""
