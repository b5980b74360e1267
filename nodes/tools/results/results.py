"""Tool messages for the model: one safe text per call, whatever happened."""

from collections.abc import Mapping
from typing import Literal

from langchain_core.messages import ToolCall, ToolMessage

from .safe_text import cut, safe_text

Outcome = Literal[
    "success", "error", "bad_arguments", "unknown_tool", "timeout", "cancelled", "running", "unknown"
]

OUTCOME = "outcome"
"""Key in a tool message's `additional_kwargs`."""
OWN_NAME = "tool"
"""Key in a tool message's `additional_kwargs`: the tool's own name, if it is offered under another."""

WITHHELD = "Its result cannot be shown: the model's provider does not accept it. Tell the user so."

SENTENCES: Mapping[Outcome, str] = {
    "error": "The tool failed. Tell the user that it did not work.",
    "timeout": "The tool took too long and was stopped. Tell the user.",
    "cancelled": "Not done: the user interrupted it.",
    "running": "Still running: its outcome is not known yet. Do not start it again.",
    "unknown": "It was started, but a failure left its outcome unknown. Do not start it again on your "
    "own: tell the user, or check whether it was done.",
}


def tool_message(
    reply_id: str | None,
    call: ToolCall,
    outcome: Outcome,
    text: str,
    *,
    created_at: float,
    limit: int,
    tool: str | None = None,
) -> ToolMessage:
    """Return the message that answers `call`, with its text truncated to `limit` characters.

    `tool` is the tool's own name, if it is offered under another.
    """
    shown = safe_text(cut(text, limit))
    if len(text) > limit:
        shown += "… (cut off: there is more)"
    return ToolMessage(
        id=f"{reply_id}:{call['id']}",
        tool_call_id=call["id"] or "",
        name=call["name"],
        content=shown or "(no output)",
        status="success" if outcome == "success" else "error",
        additional_kwargs={
            OUTCOME: outcome,
            "created_at": created_at,
            **({OWN_NAME: tool} if tool not in (None, call["name"]) else {}),
        },
    )
