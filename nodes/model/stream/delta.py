"""Deltas: what one chunk of a model's stream adds, for every provider."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ....state.usage import Usage

MOST_FRAGMENTS = 1_000
"""Maximum call fragments in one chunk; a reader reads one more, to detect an excess."""


@dataclass(frozen=True, slots=True)
class CallFragment:
    """A piece of a tool call; `CallAssembly` joins them."""

    index: int | None
    """The index of the call in the message, `None` if the provider gives none."""
    id: str | None
    name: str | None
    arguments: str
    extras: Mapping[str, Any] | None = None
    """The provider's own fields of the call (`extra_content`), which go back to it with the call."""


@dataclass(slots=True)  # Not frozen: there is one per token, and creating a frozen one takes twice as long.
class Delta:
    """What one chunk of the stream adds."""

    text: str = ""
    calls: tuple[CallFragment, ...] = ()
    finish_reason: str | None = None
    """As returned by `finish_reasons.finish_reason`."""
    usage: Usage | None = None
    failure: str | None = None
    """The provider's own word for a failure, if the finish reason is one."""
    thinking: bool = False
    """True if the piece has thoughts, which show that the model is working; they are never spoken."""
    extras: Mapping[str, Any] | None = None
    """The provider's own fields of the message (`reasoning_content`), which go back to it with the reply."""
    blocks: tuple[Mapping[str, Any], ...] = ()
    """Content blocks other than text, which go back to the provider too."""
    whole: bool = False
    """True for a whole message, which may repeat earlier pieces."""

    @property
    def begins(self) -> bool:
        """True if the piece has text or calls: the first such piece starts the answer."""
        return bool(self.calls) or bool(self.text) and not self.text.isspace()
