"""One turn on one thread: started, streamed, interrupted, gone on with."""
