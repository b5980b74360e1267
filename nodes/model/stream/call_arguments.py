"""Parse the arguments of a tool call from the text that a model server sent."""

import json
import re
from typing import Any, cast

import jiter
import orjson
import regex

from ...speech.preamble import HEARTBEAT, PREAMBLE
from ...text.characters import whole_characters

_FENCE = "```"
_LANGUAGE = re.compile(r"[a-zA-Z]*+")
_BLANKS = re.compile(r"\s*+")
# Not `re`, whose possessive groups backtrack before Python 3.11.4.
_CLOSERS = regex.compile(r"[\s}\])>;,]*+(?:<[|\uff5c/][^<>]*+>\s*+)*+\Z")
"""What may follow complete arguments: an extra brace, or a token of the model's template."""
_MOST_BITS = 63
"""Maximum bits of an integer that every checkpoint and database can store."""
_MOST_VALUES = 8
"""Maximum number of consecutive values, such as `{}` before the real arguments, or these twice."""
_DEEPEST = 3
"""Maximum levels of JSON encoded within JSON."""


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


_DECODER = json.JSONDecoder(strict=False, parse_constant=_refuse)  # Accepts line breaks within strings.


def call_arguments(text: str) -> dict[str, Any] | None:
    """Return the arguments of a call, `None` if they are not a JSON object.

    Integers over 64 bits, which a checkpoint cannot store, become strings of digits: account numbers are that
    long. Repairs known faults of servers: `null` for no arguments, `{}` before the real ones, an object
    twice, an object encoded as a string, line breaks within strings, and code fences.
    """
    try:
        values = [_unpacked(value, _DEEPEST) for value in _values(whole_characters(text))]
        objects = [value for value in values if value] or values[:1] or [{}]
        found = cast(object, objects[0])
        if not isinstance(found, dict) or any(value != found for value in objects):
            return None
        try:
            orjson.dumps(found)
        except TypeError:  # Integers of more than 64 bits, which a checkpoint cannot store either.
            found = _with_digits(cast(object, found))
            orjson.dumps(found)
    except (ValueError, TypeError, RecursionError):
        return None
    return cast(dict[str, Any], found)


def _with_digits(value: object) -> object:
    """Return a value with large integers as digits; `restore_integers` restores them for a tool."""
    if isinstance(value, dict):
        return {name: _with_digits(item) for name, item in cast(dict[str, object], value).items()}
    if isinstance(value, list):
        return [_with_digits(item) for item in cast(list[object], value)]
    is_large = isinstance(value, int) and value.bit_length() > _MOST_BITS
    return str(value) if is_large else value


def own_arguments(arguments: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the arguments for the tool itself, without the preamble."""
    if arguments is None:
        return None
    return {name: value for name, value in arguments.items() if name not in (PREAMBLE, HEARTBEAT)}


def are_empty(text: str) -> bool:
    """Return whether a text means no arguments; the real ones may still follow it."""
    return text.strip() in ("", "{}", "null")


def _values(text: str) -> list[Any]:
    """Return the consecutive JSON values in a text."""
    text = _unfenced(text.strip())
    if text.startswith('{\\"'):  # An encoded string that lost its quotes.
        text = str(_DECODER.decode(f'"{text}"'))
    try:
        return [jiter.from_json(text.encode(), allow_inf_nan=False)] if text else []
    except ValueError:
        pass
    values: list[Any] = []
    at = 0
    while at < len(text):
        if values and _CLOSERS.match(text, at):
            break
        if len(values) == _MOST_VALUES:
            raise ValueError("too many consecutive values")
        value, at = _DECODER.raw_decode(text, at)
        values.append(value)
        at = _end(_BLANKS, text, at)
    return values


def _unfenced(text: str) -> str:
    """Return the content of a code fence, without the language name; other text is returned unchanged."""
    if len(text) < 2 * len(_FENCE) or not (text.startswith(_FENCE) and text.endswith(_FENCE)):
        return text
    inner = text[len(_FENCE) : -len(_FENCE)]
    return inner[_end(_LANGUAGE, inner, 0) :].strip()


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


def _unpacked(value: Any, depth: int) -> Any:
    """Return the content of a JSON string; `None` and an empty list mean no arguments."""
    if isinstance(value, str) and depth:
        inner = _values(value) or [{}]
        return _unpacked(inner[0], depth - 1) if len(inner) == 1 else value
    return {} if value is None or value == [] else value
