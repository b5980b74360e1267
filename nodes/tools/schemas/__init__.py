"""The arguments of tools as JSON schemas that providers take."""
