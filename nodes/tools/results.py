"""What the model is told of a tool call: one safe text a call, whatever happened."""

from collections.abc import Mapping
from typing import Any, Literal, cast

from langchain_core.messages import ToolCall, ToolMessage

Outcome = Literal[
    "success", "error", "bad_arguments", "unknown_tool", "timeout", "cancelled", "running", "unknown"
]

OUTCOME = "outcome"
"""Key in a tool message's `additional_kwargs`."""

WITHHELD = "Its result cannot be shown: the model's provider does not accept it. Tell the user so."

SENTENCES: Mapping[Outcome, str] = {
    "error": "The tool failed. Tell the user that it did not work.",
    "timeout": "The tool took too long and was stopped. Tell the user.",
    "cancelled": "Not done: the user interrupted before it ran to its end.",
    "running": "Still running: its outcome is not known yet. Do not start it again.",
    "unknown": "It was started, but its outcome is unknown after a failure. Do not start it again by "
    "yourself: tell the user, or check whether it was done.",
}


def tool_message(
    reply_id: str | None, call: ToolCall, outcome: Outcome, text: str, *, created_at: float, limit: int
) -> ToolMessage:
    """Return the message that answers `call`, its text clipped to `limit` characters."""
    if len(text) > limit:
        text = f"{text[:limit]}… (cut: {len(text)} characters in all)"
    return ToolMessage(
        id=f"{reply_id}:{call['id']}",
        tool_call_id=call["id"] or "",
        name=call["name"],
        content=text or "(no output)",
        status="success" if outcome == "success" else "error",
        additional_kwargs={OUTCOME: outcome, "created_at": created_at},
    )


def result_text(content: Any) -> str:
    """Return the text of whatever a tool gave back."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = [_part_text(part) for part in cast(list[Any], content)]
        return "\n".join(part for part in parts if part)
    return str(content)


def _part_text(part: Any) -> str:
    return str(cast(dict[str, Any], part).get("text", "")) if isinstance(part, dict) else str(part)
