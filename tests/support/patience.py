"""How long tests wait for what must come: far longer than a busy machine takes."""

PATIENCE = 120.0
"""Seconds."""
