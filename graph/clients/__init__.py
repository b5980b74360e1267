"""What clients send: histories, tools, settings, in all their forms."""
