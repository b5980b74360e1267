"""What model servers mean by their errors."""
