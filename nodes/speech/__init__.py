"""Convert a model's output to speech."""
