"""Asking a model: one streamed completion, with retries and deadlines."""
