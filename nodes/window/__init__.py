"""The messages that the model sees, and how they follow what the client tells."""
