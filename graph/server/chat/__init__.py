"""OpenAI's chat completions, as voice clients use them."""
