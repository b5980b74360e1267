"""Normalize the finish reasons of all providers."""

from ...text.json_values import object_of

FAILED = "error"
"""The finish reason of an answer that the provider could not complete."""

_NONE = frozenset({"", "null", "none", "nil", "undefined", "unspecified", "in_progress"})
_WORDS = {
    "stop": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "incomplete": "length",
    "tool_calls": "tool_calls",
    "tool_call": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    FAILED: FAILED,
}
_PARTS = {
    "length": ("length", "max_", "token_limit", "context_window"),
    "content_filter": (
        *("filter", "safety", "moderat", "block", "prohibit", "sensitive", "toxic", "guardrail"),
        *("refus", "recitation", "spii", "policy", "policies", "censor"),
    ),
    FAILED: (
        *("error", "fail", "abort", "cancel", "crash", "exception", "timeout", "timed_out", "interrupt"),
        *("resource", "unavailable", "overload", "malformed", "unexpected", "disconnect", "network"),
        *("rate_limit", "quota", "invalid", "internal"),
    ),
}
"""Word fragments that classify an unknown reason; earlier ones take precedence."""


def finish_reason(reason: object) -> str | None:
    """Return OpenAI's name for a provider's finish reason, `None` for none, `FAILED` for a failure.

    An unknown reason is returned unchanged: the answer has ended.
    """
    if reason is None:
        return None
    reason = object_of(reason).get("type", reason)  # `{"type": "abort", "message": ...}`
    if not isinstance(reason, str):
        return None
    word = reason.strip().lower().replace("-", "_").replace(" ", "_").removeprefix("finish_reason_")
    if word in _NONE:
        return None
    known = _WORDS.get(word)
    if known is not None:
        return known
    for meaning, parts in _PARTS.items():
        if any(part in word for part in parts):
            return meaning
    return "length" if "limit" in word else word


def failure(reason: object) -> str | None:
    """Return the provider's own word for a failure, which may be shown; `None` if it is not a single word."""
    word = object_of(reason).get("type", reason)
    if finish_reason(word) != FAILED or not isinstance(word, str):
        return None
    return word if len(word) <= 64 and word.replace("-", "_").isidentifier() else None
