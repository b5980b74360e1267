"""Which turn has a thread: in this process, in others, and after a crash."""
