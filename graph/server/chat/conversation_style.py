"""How each thread's client requests its turns, as seen by this process."""

import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from ...clients.content_parts import spoken_words
from ...clients.side_call_rules import RECENTLY, Known
from .chat_request import ChatRequest

_MOST_THREADS = 4096
_LONGEST_PROMPT = 2000
_PROMPT_ROLES = ("system", "developer")
_SPOKEN_ROLES = ("user", "assistant")


@dataclass(slots=True, kw_only=True)
class Style:
    """What the requests on a thread have in common; the fields are those of `Known`."""

    prompt: str | None
    streamed: bool | None = None
    tells_history: bool | None = None
    at: float
    """Monotonic time of the last turn."""

    def as_known(self) -> Known:
        """Return the style as facts about the thread, without its messages."""
        return Known(
            prompt=self.prompt,
            streamed=self.streamed,
            tells_history=self.tells_history,
            recent=time.monotonic() - self.at < RECENTLY,
        )


class Styles:
    """The styles of recently used threads, by key."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Style] = OrderedDict()

    def get(self, thread_id: str) -> Style | None:
        """Return the style of a thread, `None` if this process has served no turn there."""
        return self._known.get(thread_id)

    def note(self, thread_id: str, request: ChatRequest) -> None:
        """Record the style of a request."""
        before = self._known.pop(thread_id, None)
        prompt: str | None = first_prompt(request.messages)
        if is_special(request):  # It may be a side call that came before the thread's first turn.
            prompt = before.prompt if before else None
        tells_history = has_history(request.messages) or (before.tells_history if before else None)
        self._known[thread_id] = Style(
            prompt=prompt, streamed=request.stream, tells_history=tells_history, at=time.monotonic()
        )
        if len(self._known) > _MOST_THREADS:
            self._known.popitem(last=False)


def is_special(request: ChatRequest) -> bool:
    """Return whether a request asks for something other than speech: JSON, or a client tool call."""
    return "response_format" in request.model_settings or "tool_choice" in request.model_settings


def first_prompt(messages: Sequence[Any]) -> str:
    """Return the client's leading system message, truncated; empty if there is none."""
    if not isinstance(messages[0], Mapping):
        return ""
    first = cast(Mapping[str, Any], messages[0])
    return spoken_words(first.get("content"))[:_LONGEST_PROMPT] if first.get("role") in _PROMPT_ROLES else ""


def has_history(messages: Sequence[Any]) -> bool | None:
    """Return whether the messages include a history, `None` if that is not known."""
    said = 0
    for message in messages:
        if isinstance(message, Mapping) and cast(Mapping[str, Any], message).get("role") in _SPOKEN_ROLES:
            said += 1
            if said > 1:
                return True
    return None
