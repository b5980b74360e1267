"""Writing a request that the model server takes."""
