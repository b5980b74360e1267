"""What the caller hears of what a model writes."""
