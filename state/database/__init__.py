"""What both databases promise: short transactions, and errors that say what to do."""
