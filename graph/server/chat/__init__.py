"""OpenAI's chat completions API, as voice clients use it."""
