"""What each line of a log tells of the turn that it belongs to, whoever writes it."""

from collections.abc import Mapping
from contextvars import ContextVar

_facts: ContextVar[dict[str, str] | None] = ContextVar("voicegraph_turn_facts", default=None)


def begin_facts(**facts: str) -> None:
    """Note whose turn runs in this task, and in those that it starts from now on."""
    _facts.set({name: value for name, value in facts.items() if value})


def note_facts(**facts: str) -> None:
    """Note more of the running turn."""
    known = _facts.get()
    if known is not None:
        known.update(facts)


def turn_facts() -> Mapping[str, str]:
    """Return `thread_id`, `agent` and `model` of the running turn as far as they are known."""
    return _facts.get() or {}
