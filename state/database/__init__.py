"""What both databases have in common: short transactions, and errors that say what to do."""
