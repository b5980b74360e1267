"""Copy values to plain data that JSON, checkpoints and providers can represent."""

import math
from collections.abc import Mapping
from collections.abc import Set as AnySet
from typing import Any, cast

from .characters import whole_characters

DEEPEST = 60
"""Maximum nesting: encoders fail at about 250, and requests nest values further."""
_INTEGERS = range(-(2**63), 2**64)
_MOST_BITS = 10_000


def plain_json(value: Any, depth: int = DEEPEST) -> Any:
    """Return a copy of `value` as plain JSON data; anything else is described in words.

    Unpaired surrogates become U+FFFD, infinities and NaN `None`, integers over 64 bits their digits.
    """
    if isinstance(value, str):
        return whole_characters(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if value in _INTEGERS else _digits(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes | bytearray | memoryview):
        return f"[{len(cast(bytes, value))} bytes]"
    if isinstance(value, Mapping | list | tuple | AnySet):
        return _collection(cast(Any, value), depth - 1) if depth > 0 else "[nested too deeply]"
    return _as_words(value)


def _collection(value: Any, depth: int) -> Any:
    if not isinstance(value, Mapping):
        return [plain_json(item, depth) for item in value]
    items = cast(Mapping[Any, Any], value).items()
    return {
        whole_characters(key) if isinstance(key, str) else _as_words(key): plain_json(item, depth)
        for key, item in items
    }


def _digits(number: int) -> str:
    return str(number) if number.bit_length() <= _MOST_BITS else f"[a number of {number.bit_length()} bits]"


def _as_words(value: object) -> str:
    try:
        return whole_characters(str(value))
    except Exception:  # An unknown class: its name must suffice.
        return f"[{type(value).__name__}]"
