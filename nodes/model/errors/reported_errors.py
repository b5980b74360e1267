"""Errors that a server reports inside an answer with status 200, in their many forms."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...text.json_values import is_object, list_of, object_of

_ERRORS = ("error", "errors", "detail", "err", "exception")
_TEXTS = ("message", "msg", "error_message", "error_msg", "errmsg", "errorMessage", "title")
_NOTES = ("ping", "alive", "heartbeat", "progress", "processing", "queue", "info", "chunk")
"""Words in the type of an object that is not an error although it has a message."""
_CODES = ("code", "error_code", "errcode", "errorCode", "status_code", "status", "type")
_OTHER_WORDS = frozenset({"error", "invalid_request_error", "failed", "fail", "false"})
"""Values that some servers give as a code but say nothing: the next field may be better."""


@dataclass(frozen=True, slots=True)
class ReportedError:
    """An error as a server reports it."""

    code: object
    """A number, a word or `None`."""
    text: str
    """The whole text, for searching only: it may quote the caller."""


def reported_error(fields: Mapping[str, Any], event: str = "") -> ReportedError | None:
    """Return the error in an object from a server, perhaps in an `event` with a name."""
    if _says_error(fields, event):
        return ReportedError(_code(fields), str(fields))
    return None


def is_error_event(event: str) -> bool:
    """Return whether a server-sent event's name means an error."""
    name = event.lower()
    return any(word in name for word in ("error", "exception", "fail", "abort"))


def _says_error(fields: Mapping[str, Any], event: str) -> bool:
    if _holds(fields.get("error")) or is_error_event(event):
        return True
    if fields.get("choices"):
        return False
    kind = " ".join(str(fields.get(name) or "").lower() for name in ("object", "type", "status"))
    if kind.strip() == "error" or object_of(fields.get("base_resp")).get("status_code"):  # MiniMax.
        return True
    if any(_holds(fields.get(name)) for name in _ERRORS):
        return True
    is_note = "choices" in fields or "usage" in fields or any(word in kind for word in _NOTES)
    return not is_note and any(isinstance(fields.get(name), str) and fields[name] for name in _TEXTS)


def _holds(value: object) -> bool:
    """Return whether a field holds an error, not a statement that there is none."""
    return any(value.values()) if is_object(value) else bool(value)


def _code(fields: Mapping[str, Any]) -> object:
    """Return the most specific code of an error, which may be in a nested object."""
    words: list[object] = []
    for part in (*_inner(fields), fields):
        for name in _CODES:
            code = part.get(name)
            if isinstance(code, bool) or not isinstance(code, int | str) or code in ("", 0):
                continue
            if str(code).lower() not in _OTHER_WORDS:
                return code
            words.append(code)
    return words[0] if words and words[0] != "error" else None


def _inner(fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    values = [fields.get(name) for name in (*_ERRORS, "base_resp")]
    return [found for value in values if (found := object_of((list_of(value) or [value])[0]))]
