"""Threads, their messages and tool runs, and the journal of turns that run."""
