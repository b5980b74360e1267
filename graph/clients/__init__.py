"""Read what clients send: histories, tools and settings, in all their formats."""
