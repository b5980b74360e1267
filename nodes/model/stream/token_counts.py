"""Token counts, of any type that a server sends."""

import math

from ....state.usage import Usage
from ...text.json_values import object_of

_MOST = 1 << 53
"""More tokens than any model uses; a larger number is an error, and may not fit into a checkpoint."""


def usage_of(tokens: object) -> Usage | None:
    """Return the usage in OpenAI's or LangChain's object, `None` if it is not an object.

    Anything but a number counts as 0; nothing raises, since the caller has already heard the reply.
    """
    fields = object_of(tokens)
    if not fields:
        return None
    return Usage(
        input_tokens=_first(fields, "prompt_tokens", "input_tokens"),
        output_tokens=_first(fields, "completion_tokens", "output_tokens"),
        cached_tokens=_first(fields.get("prompt_tokens_details"), "cached_tokens")
        or _first(fields.get("input_token_details"), "cache_read")
        or _first(fields, "prompt_cache_hit_tokens"),
    )


def _first(fields: object, *names: str) -> int:
    known = object_of(fields)
    return next((_count(known[name]) for name in names if known.get(name) is not None), 0)


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return 0
    if isinstance(value, int):
        return value if 0 <= value < _MOST else 0
    try:
        number = float(value)
    except ValueError:
        return 0
    return round(number) if math.isfinite(number) and 0 <= number < _MOST else 0
