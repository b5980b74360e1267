"""Code for PostgreSQL only."""
