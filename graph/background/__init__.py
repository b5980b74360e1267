"""Background work: consolidation, embedding, indexing, and the worker that runs them."""
