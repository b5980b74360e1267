"""What each line of a log tells of the turn that it belongs to, whoever writes it."""

from collections.abc import Mapping
from contextvars import ContextVar

_facts: ContextVar[dict[str, str] | None] = ContextVar("voicegraph_turn_facts", default=None)


def begin_facts(*, thread_id: str, agent: str) -> None:
    """Note whose turn runs in this task, and in those that it starts from now on."""
    _facts.set({"thread_id": thread_id, "agent": agent})


def note_model(name: str) -> None:
    """Note the model that the running turn asks."""
    facts = _facts.get()
    if facts is not None:
        facts["model"] = name


def turn_facts() -> Mapping[str, str]:
    """Return `thread_id`, `agent` and `model` of the running turn as far as they are known."""
    return _facts.get() or {}
