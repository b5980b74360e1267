"""Find how far a reply was heard, and cut it there."""
