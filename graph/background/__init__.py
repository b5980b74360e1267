"""Background work: consolidation, embedding, indexing."""
