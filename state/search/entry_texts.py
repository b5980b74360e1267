"""What the search index keeps of a message and of a passage."""

from collections.abc import Sequence
from datetime import datetime

from ..tables.time_zones import time_zone

CONTEXT_CHARACTERS = 1000
"""So much of each neighbour is context, that one endless message does not fill four other entries."""


def message_entry(text: str, name: str | None, at: datetime, zone: str) -> str:
    """Return the words by which a message is found: its own, behind its day for the agent and its speaker."""
    day = at.astimezone(time_zone(zone))
    return f"{day:%A} {day.day} {day:%B} {day.year} {name or ''}: {text}"


def passage_entry(text: str, tags: Sequence[str]) -> str:
    """Return the words by which a passage is found: its own, behind its tags."""
    return " ".join([*tags, text])
