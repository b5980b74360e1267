"""Threads, their messages and tool runs, and the journal of running turns."""
