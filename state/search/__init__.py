"""Finding what was said and kept: by words, by meaning, in pages."""
