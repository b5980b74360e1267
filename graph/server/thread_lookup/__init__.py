"""Which thread a request belongs to."""
