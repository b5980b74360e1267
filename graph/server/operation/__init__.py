"""For those who run the server: health, metrics, the description of the API."""
