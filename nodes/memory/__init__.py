"""Recall, consolidation, and the prompt with the agent's memory."""
