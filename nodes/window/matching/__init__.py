"""Find where the client's history and the window contain the same conversation."""
