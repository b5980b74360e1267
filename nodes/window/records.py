"""Messages of the window as records of recall memory."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage, ToolCall, ToolMessage

from ...state.conversations.message_rows import MessageRecord, Role
from ...state.schema import Turn
from ..replies.reply import CREATED_AT, SPOKEN
from ..tools.results.results import OUTCOME, OWN_NAME
from .barge_in.heard import UNHEARD

_ROLES: dict[str, Role] = {"human": "user", "ai": "assistant", "tool": "tool"}


def as_records(messages: Sequence[AnyMessage], turn: Turn) -> list[MessageRecord]:
    """Return the messages as records, in order."""
    return [_as_record(message, turn) for message in messages]


def _as_record(message: AnyMessage, turn: Turn) -> MessageRecord:
    extra: dict[str, Any] = message.additional_kwargs
    at = extra.get(CREATED_AT, turn["started_at"])
    reply = message if isinstance(message, AIMessage) else None
    result = message if isinstance(message, ToolMessage) else None
    name = message.name if isinstance(message, HumanMessage | ToolMessage) else None
    own: Any = extra.get(OWN_NAME)
    return MessageRecord(
        id=message.id or "",
        turn_id=turn["id"],
        role=_ROLES.get(message.type, "system"),
        text=str(message.text),
        unheard=extra.get(UNHEARD),
        spoken=extra.get(SPOKEN) if reply else None,
        tool_calls=[_own_call(call, own or {}) for call in reply.tool_calls] or None if reply else None,
        tool_call_id=result.tool_call_id if result else None,
        name=own if result and own else name,
        status=extra.get(OUTCOME),
        model=reply.response_metadata.get("model") if reply else None,
        usage=dict(reply.usage_metadata) if reply and reply.usage_metadata else None,
        created_at=datetime.fromtimestamp(at, UTC),
    )


def _own_call(call: ToolCall, own: Mapping[str, str]) -> dict[str, Any]:
    """Return the call under the tool's own name, which may differ from the offered one."""
    return {**call, "name": own.get(call["id"] or "", call["name"])}


def not_stored(window: Sequence[AnyMessage], stored_through: str | None) -> list[AnyMessage]:
    """Return the messages after the last stored one."""
    for index in range(len(window) - 1, -1, -1):
        if window[index].id == stored_through:
            return list(window[index + 1 :])
    return list(window)


def as_message(record: MessageRecord) -> AnyMessage:
    """Return a record as a message of the window, with only its text."""
    extra: dict[str, Any] = {CREATED_AT: record.created_at.timestamp()}
    if record.status is not None:
        extra[OUTCOME] = record.status
    if record.spoken is not None:
        extra[SPOKEN] = record.spoken
    told: dict[str, Any] = {"id": record.id, "name": record.name, "additional_kwargs": extra}
    match record.role:
        case "user":
            return HumanMessage(record.text, **told)
        case "assistant":
            calls = [
                ToolCall(name=call["name"], args=call["args"], id=call["id"])
                for call in record.tool_calls or ()
            ]
            return AIMessage(record.text, tool_calls=calls, **told)
        case "tool":
            return ToolMessage(record.text, tool_call_id=record.tool_call_id or "", **told)
        case "system":
            return SystemMessage(record.text, **told)
