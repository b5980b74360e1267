"""Convert tool results to text for the model."""
