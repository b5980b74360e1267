"""Model calls: one streamed completion, with retries and deadlines."""
