"""Make new names and ids, and check given ones."""

import unicodedata
from uuid import uuid4

from ..errors import InvalidInput

MAX_NAME = 200
"""Maximum length of a name or id that a caller chooses, in characters."""

# Control characters and lone surrogates cannot be printed, logged or forwarded safely.
_REFUSED_CATEGORIES = frozenset({"Cc", "Cs"})


def new_id(kind: str) -> str:
    """Return a new unique id, such as `agent-` and 32 hexadecimal digits."""
    return f"{kind}-{uuid4().hex}"


def checked_name(what: str, value: str) -> str:
    """Return `value` if it can be a name or id: 1 to 200 characters without control characters.

    Raises `InvalidInput` otherwise, with `what` in its message.
    """
    if not value.strip():
        raise InvalidInput(f"the {what} is empty")
    if len(value) > MAX_NAME:
        raise InvalidInput(f"the {what} has {len(value)} characters, the limit is {MAX_NAME}")
    if any(unicodedata.category(character) in _REFUSED_CATEGORIES for character in value):
        raise InvalidInput(f"the {what} contains a control character")
    return value
