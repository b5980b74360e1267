"""One turn on one thread: start, stream, interrupt and resume it."""
