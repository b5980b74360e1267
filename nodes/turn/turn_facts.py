"""Facts about the running turn for every log record."""

from collections.abc import Mapping
from contextvars import ContextVar

_facts: ContextVar[dict[str, str] | None] = ContextVar("voicegraph_turn_facts", default=None)


def begin_facts(**facts: str) -> None:
    """Set the facts of the turn that runs in this task and in tasks that it starts."""
    _facts.set({name: value for name, value in facts.items() if value})


def note_facts(**facts: str) -> None:
    """Add facts about the running turn."""
    known = _facts.get()
    if known is not None:
        known.update(facts)


def turn_facts() -> Mapping[str, str]:
    """Return `thread_id`, `agent` and `model` of the running turn as far as they are known."""
    return _facts.get() or {}
