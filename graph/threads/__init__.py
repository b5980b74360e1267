"""Thread ownership: one turn at a time, in this process, across processes and after a crash."""
