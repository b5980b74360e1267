"""Tools: their schemas for the model, their registry, and how a call is run."""
