"""The messages of a client's history as messages of the window."""

from collections.abc import Container, Sequence
from typing import Any
from uuid import uuid4

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolCall, ToolMessage

from ..state.schema import ClientMessage
from .reply import CREATED_AT, acceptable_id, acceptable_name
from .tools.results import tool_message


def with_results(
    window: Sequence[AnyMessage], history: Sequence[ClientMessage], now: float
) -> list[AnyMessage]:
    """Return the window with what the client's own tools gave back behind their calls.

    A client that answers at once with "in progress" changes the result later.
    """
    told = {message["call_id"]: message["text"] for message in history if "call_id" in message}
    if not told:
        return list(window)
    known = {message.tool_call_id: message for message in window if isinstance(message, ToolMessage)}
    updated: list[AnyMessage] = []
    for message in window:
        if isinstance(message, ToolMessage) and message.tool_call_id in told:
            continue
        updated.append(message)
        for call in message.tool_calls if isinstance(message, AIMessage) else ():
            call_id = call["id"] or ""
            if call_id in told:
                result, text = known.get(call_id), told[call_id] or "(no output)"
                same = result is not None and result.text == text
                updated.append(result if same else _result(message.id, call, text, now))  # pyright: ignore[reportArgumentType]
    return updated


def _result(reply_id: str | None, call: ToolCall, text: str, now: float) -> ToolMessage:
    return tool_message(reply_id, call, "success", text, created_at=now, limit=len(text))


def as_message(entry: ClientMessage, known: Container[str | None], now: float) -> AnyMessage | None:
    """Return a message of the client under an id of ours, `None` for one that says nothing new."""
    told: dict[str, Any] = {"id": str(uuid4()), "additional_kwargs": {CREATED_AT: now}}
    if entry["role"] == "user":
        return HumanMessage(entry.get("content") or entry["text"], **told)
    if entry["role"] == "tool":
        call_id = entry.get("call_id", "")
        return None if call_id in known else ToolMessage(entry["text"], tool_call_id=call_id, **told)
    calls = [
        ToolCall(name=acceptable_name(call["name"]), args=call["args"], id=acceptable_id(call["id"]))
        for call in entry.get("calls", ())
        if call["id"] not in known
    ]
    if not calls and not entry["text"].strip():
        return None
    return AIMessage(entry["text"].strip(), tool_calls=calls, **told)
