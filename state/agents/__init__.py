"""Who acts, and what belongs to them: agents, their blocks, API keys."""
