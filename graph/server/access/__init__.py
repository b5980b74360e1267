"""Access control: authentication, rate limits and request limits."""
