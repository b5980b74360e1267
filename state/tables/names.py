"""Names and ids: how new ones are made, which given ones are taken."""

import unicodedata
from uuid import uuid4

from ..errors import InvalidInput

MAX_NAME = 200
"""Longest name or id that a caller may choose, in characters."""

# Control characters and lone surrogates: neither can be printed, logged or sent on safely.
_REFUSED_CATEGORIES = frozenset({"Cc", "Cs"})


def new_id(kind: str) -> str:
    """Return a new globally unique id such as `agent-` and 32 hexadecimal digits."""
    return f"{kind}-{uuid4().hex}"


def checked_name(what: str, value: str) -> str:
    """Return `value` when it can serve as a name or id: 1 to 200 characters without control characters.

    `what` names it in the message of the `InvalidInput` that is raised otherwise.
    """
    if not value.strip():
        raise InvalidInput(f"the {what} is empty")
    if len(value) > MAX_NAME:
        raise InvalidInput(f"the {what} has {len(value)} characters, at most {MAX_NAME} are taken")
    if any(unicodedata.category(character) in _REFUSED_CATEGORIES for character in value):
        raise InvalidInput(f"the {what} holds a control character")
    return value
