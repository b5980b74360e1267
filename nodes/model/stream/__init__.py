"""Read the streams of all models."""
