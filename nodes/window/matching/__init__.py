"""Finding where the client's history and the window hold the same conversation."""
