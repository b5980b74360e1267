"""What one piece of a model's stream adds, whoever streams it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..state.schema import Usage

_FINISH_REASONS = {
    "end_turn": "stop",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "max_tokens": "length",
    "STOP": "stop",
}


@dataclass(frozen=True, slots=True)
class CallFragment:
    """A piece of a tool call; `index` tells which call of the message it belongs to."""

    index: int
    id: str | None
    name: str | None
    arguments: str
    extras: Mapping[str, Any] | None = None
    """The provider's own fields of the call (`extra_content`), which go back to it with the call."""


@dataclass(frozen=True, slots=True)
class Delta:
    """What one chunk of the stream adds."""

    text: str = ""
    calls: tuple[CallFragment, ...] = ()
    finish_reason: str | None = None
    usage: Usage | None = None
    thinking: bool = False
    """True when the piece holds thoughts, which show that the model is at work; they are never spoken."""
    extras: Mapping[str, Any] | None = None
    """The provider's own fields of the message (`reasoning_content`), which go back to it with the reply."""
    blocks: tuple[Mapping[str, Any], ...] = ()
    """Content blocks that are not text, which go back to the provider too."""
    whole: bool = False
    """True for a whole message, which may repeat what came in pieces before."""

    @property
    def begins(self) -> bool:
        """True when the model has begun to answer: this is its first token."""
        return bool(self.text or self.calls)


def finish_reason(reason: object) -> str | None:
    """Return OpenAI's word for a provider's finish reason, `None` for none."""
    return _FINISH_REASONS.get(reason, reason) if isinstance(reason, str) else None
