"""Search messages and passages by words and by meaning, in pages."""
