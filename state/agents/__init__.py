"""Users (actors) and what belongs to them: agents, their blocks, API keys."""
