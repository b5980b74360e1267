"""For operators: health, metrics, API documentation."""
