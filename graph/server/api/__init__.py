"""The management API: agents, blocks, threads, passages."""
