"""Turn a model's stream into speech, and into one message at the end."""
