"""The window of messages that the model sees, kept in line with the client's history."""
