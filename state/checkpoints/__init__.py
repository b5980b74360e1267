"""LangGraph's checkpoints: what the checkpointers of both databases share."""
