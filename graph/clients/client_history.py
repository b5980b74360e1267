"""Read the whole history that a voice client sends with each request, in any format.

Clients of OpenAI's API send dicts, LiveKit's `LLMAdapter` sends LangChain messages. No history is a reason to
refuse a request: unreadable parts are left out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from langchain_core.messages import BaseMessage, convert_to_messages

from ...nodes.text.characters import whole_characters
from ...state.schema import ClientMessage
from .client_calls import pair_results, read_calls, text_of_id
from .content_parts import read_content, result_words, spoken_words
from .late_results import carries_result, late_result

_ROLES = {
    **dict.fromkeys(("user", "human", "caller", "customer"), "user"),
    **dict.fromkeys(("assistant", "ai", "model", "agent", "bot"), "assistant"),
    **dict.fromkeys(("tool", "function"), "tool"),
    **dict.fromkeys(("system", "developer"), "system"),
}
_LIVEKIT_ID = "item_"


@dataclass(slots=True)
class ClientHistory:
    """The conversation as the client knows it.

    `notes` are its instructions, `note` those for this reply. `results` and `result` are the ones among them
    that carry a result: they count even where instructions are ignored.
    """

    messages: list[ClientMessage] = field(default_factory=list[ClientMessage])
    notes: list[str] = field(default_factory=list[str])
    note: str | None = None
    results: list[str] = field(default_factory=list[str])
    result: str | None = None


def is_history(messages: Sequence[BaseMessage]) -> bool:
    """Return whether these are a client's whole history, not messages to add.

    LiveKit's adapter sends the history each time, the first time perhaps a single message, under its own id.
    """
    return len(messages) > 1 or (messages[0].id or "").startswith(_LIVEKIT_ID)


def read_history(raw: Iterable[Any]) -> ClientHistory:
    """Return the history in our format, with notes separate; those at its end are the note for this reply."""
    history = ClientHistory()
    last: list[str] = []
    late: dict[str, str] = {}
    for role, entry in map(_entry, raw):
        if role == "system":
            if entry["text"].strip():
                last.append(entry["text"])
                _add_late_result(history.messages, entry["text"], late)
        elif entry["text"].strip() or any(key in entry for key in ("content", "calls", "call_id")):
            history.notes += last
            last = []
            history.messages.append(entry)
    if late:
        called = {call["id"] for message in history.messages for call in message.get("calls", ())}
        history.notes = [note for note in history.notes if not _answers(note, called)]
    history.results = list(filter(carries_result, history.notes))
    pair_results(history.messages)
    if history.messages:
        history.note = "\n\n".join(last) or None
        history.result = "\n\n".join(filter(carries_result, last)) or None
    else:
        # Nothing was said yet: the agent speaks first.
        history.notes += last
    return history


def read_in_order(raw: Iterable[Any]) -> list[tuple[bool, ClientMessage]]:
    """Return all messages in order; true marks the client's system messages."""
    entries = [(role == "system", entry) for role, entry in map(_entry, raw)]
    pair_results([entry for is_system, entry in entries if not is_system])
    return entries


def _add_late_result(messages: list[ClientMessage], note: str, late: dict[str, str]) -> None:
    """Add a result that comes as a note; one that comes in several parts is joined."""
    result = late_result(note)
    if result is not None:
        before = late.get(result.call_id)
        late[result.call_id] = text = result.text if before is None else f"{before}\n{result.text}"
        text = text if result.final else f"{text}\n(The tool is still running.)"
        messages.append(ClientMessage(role="tool", text=text, call_id=result.call_id))


def _answers(note: str, called: set[str]) -> bool:
    result = late_result(note)
    return result is not None and result.call_id in called


def _entry(raw: Any) -> tuple[str, ClientMessage]:
    fields = _from_message(raw) if isinstance(raw, BaseMessage) else raw
    if not isinstance(fields, Mapping):
        try:
            fields = _from_message(convert_to_messages([raw])[0])
        except (ValueError, TypeError, NotImplementedError, IndexError):
            fields = {}
    told = cast(Mapping[str, Any], fields)
    named = told.get("role")
    role = _ROLES.get(named) if isinstance(named, str) else None
    if role is None:
        named = str(named or "user").strip().lower()
        role = _ROLES.get(named)
    if role == "user":
        return role, _users(told)
    if role == "assistant":
        return role, _assistants(told)
    if role == "tool":
        entry = ClientMessage(role="tool", text=result_words(told.get("content")))
        entry["call_id"] = text_of_id(told.get("tool_call_id"))
        if name := told.get("name"):
            entry["name"] = text_of_id(name)
        return role, entry
    text = spoken_words(told.get("content"))
    if role is None and text.strip():
        # A role that only the client knows is put before the text.
        text = f"{whole_characters(str(named))}: {text}"
    return "system", ClientMessage(role="user", text=text)


def _users(told: Mapping[str, Any]) -> ClientMessage:
    raw = told.get("content")
    if isinstance(raw, str):
        entry = ClientMessage(role="user", text=whole_characters(raw))
    else:
        content = read_content(raw)
        entry = ClientMessage(role="user", text=content.text)
        if content.parts is not None:
            entry["content"] = content.parts
    if name := told.get("name"):
        entry["name"] = text_of_id(name)
    return entry


def _assistants(told: Mapping[str, Any]) -> ClientMessage:
    text = spoken_words(told.get("content"))
    if not text and isinstance(told.get("audio"), Mapping):
        text = spoken_words([{"type": "audio", **told["audio"]}])
    entry = ClientMessage(role="assistant", text=text)
    if ("tool_calls" in told or "function_call" in told) and (calls := read_calls(told)):
        entry["calls"] = calls
    return entry


def _from_message(message: BaseMessage) -> dict[str, Any]:
    calls = [
        {"id": call["id"], "function": {"name": call["name"], "arguments": call["args"]}}
        for call in getattr(message, "tool_calls", ())
    ]
    return {
        **{key: message.additional_kwargs.get(key) for key in ("function_call", "audio")},
        "role": getattr(message, "role", message.type),
        "content": message.content,
        "name": message.name,
        "tool_calls": calls,
        "tool_call_id": getattr(message, "tool_call_id", None),
    }
