"""Results of tools that come late, as notes of the client: Pipecat's asynchronous tools and second models.

Pipecat answers a call at once with "running" and brings what came of it in a developer message, as JSON. They
are results, not instructions.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import orjson

from .content_parts import result_words

_OF_BACKEND = re.compile(r"Backend(?: \((?:note|thinking|working)\))?: ")
"""How Pipecat marks what a second model of the client has done."""


@dataclass(frozen=True, slots=True)
class LateResult:
    """What came of a call; more may follow unless it is `final`."""

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
    """Return whether a system note says what a tool or a second model of the client has done."""
    return late_result(note) is not None or _OF_BACKEND.match(note) is not None
