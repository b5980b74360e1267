"""Write the messages of a request: one system message, and the window in an order that servers accept.

Many chat templates refuse a system message that is not the first. So a hidden instruction after tools goes
into the last result, which preserves the provider's prompt cache, and any other to the end of the prompt.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import orjson
from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from ...text.characters import whole_characters
from ...text.enclosing import enclosed
from .request_form import RequestForm

CALL_BEGINS = "(The call begins.)"
SPEAK_FIRST = "(The user has not said anything yet. Speak first.)"
GO_ON = "(The user said nothing. Continue.)"
CUT_OFF = "(I was interrupted.)"
"""Placeholder between a tool's result and the next user message, for servers that require a reply there."""


def request_messages(
    prompt: str, window: Sequence[AnyMessage], instruction: str | None, form: RequestForm
) -> list[BaseMessage]:
    """Return the messages to send, with `prompt` and all system messages of the window first."""
    notes = [str(message.text) for message in window if isinstance(message, SystemMessage)]
    said: list[AnyMessage] = [
        _sendable(message, text_only=form.text_only)
        for message in window
        if not isinstance(message, SystemMessage)
    ]
    if form.alternating:
        said = _alternating(said)
    if form.complete:
        said = _closed(_with_replies_to_tools(said))
    if instruction and said and isinstance(said[-1], ToolMessage):
        note = enclosed("instructions", whole_characters(instruction))
        said[-1] = _with_content(said[-1], _joined(said[-1].content, note))
    elif instruction:
        notes.append(instruction)
    system = whole_characters("\n\n".join(part for part in (prompt, *notes) if part.strip()))
    return [SystemMessage(system), *said] if system else [*said]


def _closed(said: list[AnyMessage]) -> list[AnyMessage]:
    """Return the messages with a last message that a reply can follow."""
    last = said[-1] if said else None
    if isinstance(last, HumanMessage | ToolMessage):
        return said
    return [*said, HumanMessage(GO_ON if said else SPEAK_FIRST)]


def _alternating(said: Sequence[AnyMessage]) -> list[AnyMessage]:
    """Return the messages with the user first, and adjacent messages of one role joined."""
    ordered: list[AnyMessage] = []
    for message in said:
        last = ordered[-1] if ordered else None
        if last is None and not isinstance(message, HumanMessage):
            ordered.append(HumanMessage(CALL_BEGINS))
        elif isinstance(last, HumanMessage) and isinstance(message, HumanMessage):
            ordered[-1] = _joined_words(last, message)
            continue
        elif isinstance(last, AIMessage) and isinstance(message, AIMessage) and not last.tool_calls:
            ordered[-1] = _with_content(message, _joined(last.content, message.content))
            continue
        ordered.append(message)
    return ordered


def _with_replies_to_tools(said: Sequence[AnyMessage]) -> list[AnyMessage]:
    """Return the messages with a reply between a tool's result and the next user message."""
    complete: list[AnyMessage] = []
    for message in said:
        if isinstance(message, HumanMessage) and complete and isinstance(complete[-1], ToolMessage):
            complete.append(AIMessage(CUT_OFF))
        complete.append(message)
    return complete


def _joined_words(first: HumanMessage, second: HumanMessage) -> AnyMessage:
    """Return the text of two messages joined, with names if the speakers differ."""
    if first.name == second.name:
        return _with_content(first, _joined(first.content, second.content))
    labelled = [_joined(f"{said.name}:" if said.name else "", said.content) for said in (first, second)]
    return HumanMessage(_joined(*labelled), id=first.id)


def _with_content(message: AnyMessage, content: Any) -> AnyMessage:
    return message.model_copy(update={"content": content})


def _joined(first: Any, second: Any) -> Any:
    if isinstance(first, str) and isinstance(second, str):
        return f"{first}\n\n{second}" if first and second else first or second
    return [*_parts(first), *_parts(second)]


def _parts(content: Any) -> list[Any]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return list(content)


def _sendable(message: AnyMessage, *, text_only: bool) -> AnyMessage:
    """Return the message with only what can be encoded; most are unchanged."""
    content = message.content
    if isinstance(content, str):
        whole = whole_characters(content)
        return message if whole is content or whole == content else _with_content(message, whole)
    parts = [_sendable_part(part, text_only=text_only) for part in content]
    texts = [part["text"] for part in parts if part.get("type") == "text"]
    if len(texts) == len(parts):
        return _with_content(message, "\n".join(texts))
    return _with_content(message, parts)


def _sendable_part(part: str | dict[Any, Any], *, text_only: bool) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": whole_characters(part)}
    fields = cast(dict[str, Any], part)
    if fields.get("type") == "text":
        return {**fields, "text": whole_characters(str(fields.get("text", "")))}
    try:
        orjson.dumps(fields)
    except (TypeError, ValueError):
        text_only = True
    return {"type": "text", "text": described(fields)} if text_only else fields


def described(part: Mapping[str, Any]) -> str:
    """Return a description of a part of a message that is not text."""
    return f"[{str(part.get('type', 'attachment')).removesuffix('_url').replace('_', ' ')}]"


def words_alone(messages: Iterable[AnyMessage]) -> list[AnyMessage]:
    """Return the messages with everything that is not text described in words."""
    return [_sendable(message, text_only=True) for message in messages]
