"""Find the thread that a request belongs to."""
