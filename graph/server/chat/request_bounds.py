"""Limit what is read of a chat request that has far more than a turn can use."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import orjson

MOST_MESSAGES = 2_000
"""Number of messages read from the end of a history; a window holds far fewer."""
_MOST_NOTES = 100
"""Number of system messages read before them: the first ones."""
_MOST_PARTS = 1_000
"""Maximum number of content parts, and of tool calls, in a message."""
_MOST_VALUES = 1_000
"""Maximum number of objects and lists within one part or call."""
_MOST_VALUES_IN_ALL = 20_000
MOST_TOOLS = 128
"""Maximum number of tools in a request, as OpenAI has it."""
_MOST_VALUES_OF_TOOLS = 10_000
MOST_TOOL_CHARACTERS = 200_000
"""Maximum size of a request's tools, in characters of JSON."""


def recent_messages(messages: Sequence[Any], longest: int) -> list[Any]:
    """Return the end of a client's history, and the system messages before it.

    Texts are truncated to `longest` characters, except the last user message, which is refused if too long.
    Anything left out is still in the thread's record if it was said there.
    """
    recent: list[Any] = []
    values = 0
    for message in reversed(messages[-MOST_MESSAGES:]):
        bounded = _bounded(message, None if not recent and _role(message) == "user" else longest)
        values += _values_in(bounded, _MOST_VALUES_IN_ALL)
        if recent and values > _MOST_VALUES_IN_ALL:
            break
        recent.append(bounded)
    before = messages[: len(messages) - len(recent)]
    notes = [message for message in before if _role(message) in ("system", "developer")]
    return [*(_bounded(note, longest) for note in notes[:_MOST_NOTES]), *reversed(recent)]


def first_tools(tools: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Return the first tools of a client, up to the number that a model accepts."""
    first: list[Any] = []
    values = characters = 0
    for tool in tools[:MOST_TOOLS]:
        values += _values_in(tool, _MOST_VALUES_OF_TOOLS)
        if values > _MOST_VALUES_OF_TOOLS:
            break
        characters += len(orjson.dumps(tool))
        if characters > MOST_TOOL_CHARACTERS:
            break
        first.append(tool)
    return first


def _bounded(value: Any, longest: int | None) -> Any:
    """Return a message, or a part of one, without what exceeds a limit."""
    if isinstance(value, str):
        return value[:longest]
    if not isinstance(value, Mapping):
        return value
    bounded: dict[str, Any] = {}
    for name, field in cast(Mapping[str, Any], value).items():
        if name == "arguments" and isinstance(field, str) and longest is not None and len(field) > longest:
            bounded[name] = "{}"  # Truncated JSON could not be parsed.
        elif name == "text" or (name == "content" and isinstance(field, str)):
            bounded[name] = _bounded(field, longest)
        elif name == "function":
            bounded[name] = _bounded(field, longest)
        elif isinstance(field, list):
            parts = cast(list[Any], field)[:_MOST_PARTS]
            kept = [part for part in parts if _values_in(part, _MOST_VALUES) <= _MOST_VALUES]
            bounded[name] = [_bounded(part, longest) for part in kept]
        elif _values_in(field, _MOST_VALUES) <= _MOST_VALUES:
            bounded[name] = field
    return bounded


def _values_in(value: Any, most: int) -> int:
    """Return the number of objects and lists in a value, or some number over `most`."""
    count, waiting = 0, [value]
    while waiting and count <= most:
        inner = waiting.pop()
        if isinstance(inner, Mapping | list):
            count += 1
            fields = cast(Any, inner.values() if isinstance(inner, Mapping) else inner)
            waiting += [field for field in fields if isinstance(field, Mapping | list)]
    return count


def _role(message: Any) -> object:
    return cast(Mapping[str, Any], message).get("role") if isinstance(message, Mapping) else None
