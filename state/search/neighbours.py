"""Search hits: a message with the two before it and the two after it in its thread."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ..agents.actors import IMPORTING
from .ranking import Found

WITHDRAWN = "withdrawn"
"""Status of a message whose request turned out to be speculative: it is only kept in the record."""

SEARCHED_ROLES = ("user", "assistant")


def heard_words(table: str) -> str:
    """Return the SQL expression for what was heard of the message in row `table`."""
    return f"coalesce({table}.spoken, {table}.text)"


def in_thread(table: str) -> str:
    """Return the SQL condition that the thread of row `table` is complete, that is, not being imported."""
    return (
        f"EXISTS (SELECT 1 FROM threads WHERE threads.id = {table}.thread_id "
        f"AND threads.user_id NOT LIKE '%{IMPORTING}')"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A message of a caller or of the agent; `speaker` is a name if known, otherwise the role."""

    number: int
    id: str
    thread_id: str
    role: str
    speaker: str
    text: str
    created_at: datetime


@dataclass(slots=True)
class Around:
    """The messages around a message, oldest first."""

    before: list[Said] = field(default_factory=list[Said])
    after: list[Said] = field(default_factory=list[Said])


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallHit:
    """A message that was found, with the two before and the two after it, oldest first.

    A higher `score` is a better match; it is 0 for unranked results. Scores of different queries are not
    comparable.
    """

    message: Said
    score: float
    before: tuple[Said, ...]
    after: tuple[Said, ...]


def hits_of(found: Found, messages: Mapping[int, Said], near: Mapping[int, Around]) -> list[RecallHit]:
    """Return the results as hits, without messages that were deleted or withdrawn since they were indexed."""
    firsts = _firsts(messages)
    return [
        RecallHit(
            message=messages[number],
            score=score,
            before=tuple(near[number].before),
            after=tuple(near[number].after),
        )
        for number, score in found
        if number in firsts
    ]


def _firsts(messages: Mapping[int, Said]) -> set[int]:
    """Return the numbers without copies, so that messages copied to a fork are found once."""
    firsts: dict[tuple[str, str], int] = {}
    for number, message in messages.items():
        known = firsts.setdefault((message.id, message.text), number)
        firsts[message.id, message.text] = min(known, number)
    return set(firsts.values())
