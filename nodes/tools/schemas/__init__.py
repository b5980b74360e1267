"""JSON schemas of tools' arguments that providers accept."""
