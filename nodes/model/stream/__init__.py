"""Reading a model's stream, whoever sends it."""
