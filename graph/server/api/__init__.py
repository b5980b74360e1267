"""The management of what is kept: agents, blocks, threads, passages."""
