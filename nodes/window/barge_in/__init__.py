"""Finding how far a reply was heard, and cutting it there."""
