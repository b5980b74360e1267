"""What one piece of a model's stream adds, whoever streams it."""

from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Delta:
    """What one chunk of the stream adds."""

    text: str = ""
    calls: tuple[CallFragment, ...] = ()
    finish_reason: str | None = None
    usage: Usage | None = None

    @property
    def begins(self) -> bool:
        """True when the model has begun to answer: this is its first token."""
        return bool(self.text or self.calls)


def finish_reason(reason: object) -> str | None:
    """Return OpenAI's word for a provider's finish reason, `None` for none."""
    return _FINISH_REASONS.get(reason, reason) if isinstance(reason, str) else None
