"""What one piece of a model's stream adds, for every provider."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ....state.usage import Usage

MOST_FRAGMENTS = 1_000
"""Fragments of tool calls in one chunk; a reader takes one more, which shows that there were too many."""


@dataclass(frozen=True, slots=True)
class CallFragment:
    """A piece of a tool call; see `CallAssembly` for which of them make one call."""

    index: int | None
    """The place of the call in the message, `None` when the provider does not count."""
    id: str | None
    name: str | None
    arguments: str
    extras: Mapping[str, Any] | None = None
    """The provider's own fields of the call (`extra_content`), which go back to it with the call."""


@dataclass(slots=True)  # Not frozen: there is one for each token, and a frozen one takes twice as long.
class Delta:
    """What one chunk of the stream adds."""

    text: str = ""
    calls: tuple[CallFragment, ...] = ()
    finish_reason: str | None = None
    """As `finish_reasons.finish_reason` gives it."""
    usage: Usage | None = None
    failure: str | None = None
    """The provider's own word for a failure, when the finish reason is one."""
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
        """True when the piece holds words or calls: with the first of them the model has begun to answer."""
        return bool(self.calls) or bool(self.text) and not self.text.isspace()
