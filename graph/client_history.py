"""Read the whole history that a voice client sends with each request, in whatever form it has.

Clients of OpenAI's API send dicts, LiveKit's `LLMAdapter` sends LangChain messages. Nothing of a history is a
reason to refuse a request: what cannot be read is left out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import orjson
from langchain_core.messages import BaseMessage, convert_to_messages

from ..nodes.characters import whole_characters
from ..state.schema import ClientMessage

_ROLES = {"human": "user", "ai": "assistant", "function": "tool", "developer": "system"}
_LIVEKIT_ID = "item_"


@dataclass(slots=True)
class ClientHistory:
    """What a client knows of the conversation: `notes` are its instructions, `note` those for this reply."""

    messages: list[ClientMessage] = field(default_factory=list[ClientMessage])
    notes: list[str] = field(default_factory=list[str])
    note: str | None = None


def is_history(messages: Sequence[BaseMessage]) -> bool:
    """Tell if these are a client's whole history, not words to be added.

    LiveKit's adapter sends the history each time, the first time perhaps a single message, under its own id.
    """
    return len(messages) > 1 or (messages[0].id or "").startswith(_LIVEKIT_ID)


def read_history(raw: Iterable[Any]) -> ClientHistory:
    """Return the history in our form; its system notes apart, those at its end as the note for this reply."""
    history = ClientHistory()
    last: list[str] = []
    for role, entry in map(_entry, raw):
        if role == "system":
            last += [entry["text"]] if entry["text"].strip() else []
        elif entry["text"].strip() or any(key in entry for key in ("content", "calls", "call_id")):
            history.notes += last
            last = []
            history.messages.append(entry)
    if history.messages:
        history.note = "\n\n".join(last) or None
    else:
        # Nothing was said yet: the agent is to begin.
        history.notes += last
    return history


def _entry(raw: Any) -> tuple[str, ClientMessage]:
    fields = _from_message(raw) if isinstance(raw, BaseMessage) else raw
    if not isinstance(fields, Mapping):
        try:
            fields = _from_message(convert_to_messages([raw])[0])
        except (ValueError, TypeError, NotImplementedError, IndexError):
            fields = {}
    told = cast(Mapping[str, Any], fields)
    role = _ROLES.get(str(told.get("role")), str(told.get("role")))
    content = told.get("content")
    entry = ClientMessage(role="user", text=_text(content))
    if role == "assistant":
        entry["role"] = "assistant"
        if calls := _calls(told):
            entry["calls"] = calls
    elif role == "tool":
        entry["role"] = "tool"
        entry["call_id"] = str(told.get("tool_call_id") or told.get("name") or "")
    elif role == "user" and isinstance(content, list) and _has_pictures(cast(list[Any], content)):
        entry["content"] = cast(list[Any], content)
    elif role not in ("user", "system"):
        entry["text"] = ""
    return role, entry


def _from_message(message: BaseMessage) -> dict[str, Any]:
    calls = [
        {"id": call["id"], "function": {"name": call["name"], "arguments": call["args"]}}
        for call in getattr(message, "tool_calls", ())
    ]
    return {
        "role": message.type,
        "content": message.content,
        "tool_calls": calls,
        "tool_call_id": getattr(message, "tool_call_id", None),
    }


def _text(content: Any) -> str:
    if isinstance(content, str):
        return whole_characters(content)
    if not isinstance(content, list):
        return ""
    parts = [part if isinstance(part, str) else _part_text(part) for part in cast(list[Any], content)]
    return whole_characters("\n".join(part for part in parts if part))


def _part_text(part: Any) -> str:
    text = cast(Mapping[str, Any], part).get("text") if isinstance(part, Mapping) else None
    return text if isinstance(text, str) else ""


def _has_pictures(content: list[Any]) -> bool:
    return any(
        isinstance(part, Mapping) and cast(Mapping[str, Any], part).get("type") == "image_url"
        for part in content
    )


def _calls(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    raw = told.get("tool_calls")
    calls: list[dict[str, Any]] = []
    for call in cast(list[Any], raw) if isinstance(raw, list) else []:
        if not isinstance(call, Mapping):
            continue
        fields = cast(Mapping[str, Any], call)
        if isinstance(fields.get("function"), Mapping):
            named = cast(Mapping[str, Any], fields["function"])
            args = _arguments(named.get("arguments"))
            calls.append({"id": str(fields.get("id")), "name": str(named.get("name")), "args": args})
    return calls


def _arguments(raw: Any) -> dict[str, Any]:
    try:
        value = orjson.loads(raw) if isinstance(raw, str | bytes) else raw
    except orjson.JSONDecodeError:
        value = None
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}
