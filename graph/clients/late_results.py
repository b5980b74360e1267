"""Tool results that arrive late, as client notes: Pipecat's asynchronous tools and second models.

Pipecat answers a call at once with "running" and sends the outcome in a developer message, as JSON. These are
results, not instructions.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import orjson

from .content_parts import result_words

_OF_BACKEND = re.compile(r"Backend(?: \((?:note|thinking|working)\))?: ")
"""Pipecat's prefix for the results of a second model of the client."""


@dataclass(frozen=True, slots=True)
class LateResult:
    """The outcome of a call; more may follow unless it is `final`."""

    call_id: str
    text: str
    final: bool


def late_result(note: str) -> LateResult | None:
    """Return the result that a system note carries, `None` for a note of another kind."""
    if not note.lstrip().startswith("{") or "tool_call_id" not in note:
        return None
    try:
        payload: Any = orjson.loads(note)
    except orjson.JSONDecodeError:
        return None
    fields = cast(Mapping[str, Any], payload)
    call_id = fields.get("tool_call_id")
    if not isinstance(call_id, str) or fields.get("result") is None:
        return None
    return LateResult(call_id, result_words(fields["result"]), fields.get("status") != "running")


def carries_result(note: str) -> bool:
    """Return whether a system note carries the result of a tool or of a second model of the client."""
    return late_result(note) is not None or _OF_BACKEND.match(note) is not None
