"""Run the tool calls of a reply."""
