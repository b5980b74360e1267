"""Commands that hold and show conversations."""
