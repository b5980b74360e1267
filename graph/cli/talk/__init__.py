"""Commands that talk and show conversations."""
