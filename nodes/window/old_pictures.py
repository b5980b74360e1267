"""Take pictures and files out of the window when they are old, or too large together.

A window is written with each checkpoint and sent with each request; the model has seen them by then.
"""

from collections.abc import Sequence
from typing import Any, cast

from langchain_core.messages import AnyMessage, HumanMessage

PICTURE_TURNS = 4
"""Turns of the caller, the newest ones, whose pictures and files stay in the window."""
MOST_PICTURE_CHARACTERS = 8_000_000
"""Characters of all pictures and files of a window; the older ones go first."""
LEFT_OUT = "[...]"
"""Stands for a message that was nothing but a picture: no provider takes one that is empty."""


def without_old_pictures(window: Sequence[AnyMessage]) -> list[AnyMessage]:
    """Return the window, with the words alone of older messages that held more."""
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
    """Return the words of a message, none for what stands for a picture."""
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
    """Return the characters of all texts in a part."""
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
