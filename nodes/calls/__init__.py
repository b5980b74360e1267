"""Running the tool calls of a reply."""
