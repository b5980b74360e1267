"""The tables, their column types, and the names and ids in them."""
