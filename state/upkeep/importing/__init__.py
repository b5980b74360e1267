"""Import a memory file in short transactions."""
