"""The model of the soak, in a process of its own: `python -m soaking.model` prints its port.

It answers each question by its number, calls a tool for each order, and refuses what OpenAI would. When its
input ends it prints what it had to refuse, as JSON.
"""

import json
import re
import sys
from typing import Any

from openai_server import OpenAIServer, Reply, ToolCall, text

FIRST_TOKEN, EVERY_TOKEN = 0.15, 0.02
"""Seconds, of each reply."""


def answer(body: dict[str, Any]) -> Reply:
    """Answer the last question; for an order call the tool, unless it was called."""
    messages = [message for message in body["messages"] if message["role"] in ("user", "assistant", "tool")]
    last = max(at for at, message in enumerate(messages) if message["role"] == "user")
    words = messages[last]["content"]
    called = any(message.get("tool_calls") for message in messages[last + 1 :])
    order = re.search(r"order (\S+)", words)
    if order and not called:
        arguments = json.dumps({"pre_exec_msg": "I see to it.", "order": order[1]})
        return Reply(
            calls=(ToolCall("place", arguments),),
            first_token_delay=FIRST_TOKEN,
            token_delay=EVERY_TOKEN,
        )
    said = f"This is the answer to {words.split()[1]}, in words."
    if order:
        # Of one that was being placed when its server died, nobody can tell.
        placed = any(f"{order[1]} is placed" in str(message["content"]) for message in messages[last + 1 :])
        said = f"Order {order[1]} is {'placed' if placed else 'unknown'}."
    return text(said, first_token_delay=FIRST_TOKEN, token_delay=EVERY_TOKEN)


def main() -> None:
    """Serve until the input ends."""
    with OpenAIServer(default=answer) as server:
        print(server.port, flush=True)
        sys.stdin.read()
        print(json.dumps(server.violations), flush=True)


if __name__ == "__main__":
    main()
