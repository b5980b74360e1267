"""What the model is told of what a tool returned."""
