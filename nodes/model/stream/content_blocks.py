"""Message contents that are lists: text, thoughts, calls and a provider's other blocks."""

from collections.abc import Mapping
from typing import Any

from ...text.json_values import list_of, object_of

Blocks = tuple[Mapping[str, Any], ...]

_TEXTS = frozenset({None, "text", "text_delta", "output_text", "refusal"})
_CALLS = frozenset({"tool_use", "input_json_delta", "tool_call", "tool_call_chunk", "function_call"})
_THOUGHTS = frozenset({"thinking", "redacted_thinking", "reasoning", "reasoning_content", "thought"})
_THOUGHT_WORDS = ("reason", "think", "thought")


def split_content(content: object) -> tuple[str, Blocks]:
    """Return the text of a content, and its blocks that are neither text nor tool calls."""
    if isinstance(content, str):
        return content, ()
    items = list_of(content) or [content]
    text, blocks = "", list[Mapping[str, Any]]()
    for item in items:
        if isinstance(item, str):
            text += item
        elif block := object_of(item):
            kind = block.get("type")
            if kind in _TEXTS and not block.get("thought"):
                words = block.get("text") or block.get("refusal")
                text += words if isinstance(words, str) else ""
            elif kind not in _CALLS:
                blocks.append(block)
    return text, tuple(blocks)


def holds_thoughts(fields: Mapping[str, Any] | None, blocks: Blocks) -> bool:
    """Return whether a piece of a message holds thoughts, by its own fields and its blocks."""
    if any(block.get("type") in _THOUGHTS or block.get("thought") for block in blocks):
        return True
    return any(word in name for name in fields or () for word in _THOUGHT_WORDS)


def provider_fields(message: Mapping[str, Any], standard: frozenset[str]) -> dict[str, Any] | None:
    """Return the provider's own fields, other than the `standard` ones; `None` if there are none."""
    if standard.issuperset(message):
        return None
    own = {name: value for name, value in message.items() if name not in standard and value}
    return own or None
