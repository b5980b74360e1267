"""From a model's stream to speech, and to one message at the end."""
