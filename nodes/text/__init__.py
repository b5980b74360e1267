"""Read and compare characters, words and JSON values."""
