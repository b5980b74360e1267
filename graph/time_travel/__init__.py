"""Going back to a checkpoint of a thread, and on from there."""
