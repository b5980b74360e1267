"""Recall, consolidation, and the prompt that holds what is remembered."""
