"""Remove pictures and files from the window when they are old, or too large in total.

A window is written with each checkpoint and sent with each request; the model has seen them by then.
"""

from collections.abc import Sequence
from typing import Any, cast

from langchain_core.messages import AnyMessage, HumanMessage

PICTURE_TURNS = 4
"""Number of newest turns whose pictures and files stay in the window."""
MOST_PICTURE_CHARACTERS = 8_000_000
"""Maximum characters of pictures and files in a window; older ones are removed first."""
LEFT_OUT = "[...]"
"""Placeholder for a message that was only a picture: no provider accepts an empty one."""


def without_old_pictures(window: Sequence[AnyMessage]) -> list[AnyMessage]:
    """Return the window with older messages reduced to their text."""
    turns = characters = 0
    kept: list[AnyMessage] = []
    for message in reversed(window):
        if isinstance(message, HumanMessage):
            turns += 1
            parts = _others(message)
            if parts:
                characters += sum(map(_size, parts))
                if turns > PICTURE_TURNS or characters > MOST_PICTURE_CHARACTERS:
                    message = _in_words(message)
        kept.append(message)
    return kept[::-1]


def words_of(message: HumanMessage) -> str:
    """Return the text of a message, empty for the placeholder of a picture."""
    words = str(message.text)
    return "" if words == LEFT_OUT else words


def _others(message: HumanMessage) -> list[Any]:
    parts = cast(list[Any], message.content) if isinstance(message.content, list) else []
    return [part for part in parts if not _is_text(part)]


def _is_text(part: Any) -> bool:
    return isinstance(part, str) or cast(dict[str, Any], part).get("type") == "text"


def _in_words(message: HumanMessage) -> HumanMessage:
    words = [part for part in cast(list[Any], message.content) if _is_text(part)]
    return message.model_copy(update={"content": words or [{"type": "text", "text": LEFT_OUT}]})


def _size(part: Any) -> int:
    """Return the total length of all texts in a part."""
    waiting: list[Any] = [part]
    size = 0
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            size += len(value)
        elif isinstance(value, dict):
            waiting += cast(dict[str, Any], value).values()
        elif isinstance(value, list):
            waiting += cast(list[Any], value)
    return size
