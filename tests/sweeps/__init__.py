"""Turns that are stopped at every instant: by interrupting, by cancelling, by killing the process."""
