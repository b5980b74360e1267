"""The texts that the search index stores for a message and for a passage."""

from collections.abc import Sequence
from datetime import datetime

from ..tables.time_zones import time_zone

CONTEXT_CHARACTERS = 1000
"""Maximum characters of context per neighbour, so that one long message does not fill four other entries."""


def message_entry(text: str, name: str | None, at: datetime, zone: str) -> str:
    """Return the searched text of a message: its day in the agent's time zone, its speaker and its text."""
    day = at.astimezone(time_zone(zone))
    return f"{day:%A} {day.day} {day:%B} {day.year} {name or ''}: {text}"


def passage_entry(text: str, tags: Sequence[str]) -> str:
    """Return the searched text of a passage: its tags and its text."""
    return " ".join([*tags, text])
