"""The tables, their column types, and the names and ids stored in them."""
