"""Convert messages of a client's history to messages of the window."""

import hashlib
import re
import unicodedata
from collections.abc import Container, Sequence
from typing import Any
from uuid import uuid4

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolCall, ToolMessage

from ...state.schema import ClientMessage
from ..replies.reply import CREATED_AT, acceptable_id
from ..tools.names import legal_name
from ..tools.results.results import tool_message

NO_OUTPUT = "(no output)"


def with_results(
    window: Sequence[AnyMessage], history: Sequence[ClientMessage], now: float
) -> list[AnyMessage]:
    """Return the window with the results of the client's own tools after their calls.

    A client that first answers "in progress" changes the result later.
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
                result, text = known.get(call_id), told[call_id] or NO_OUTPUT
                same = result is not None and result.text == text
                updated.append(result if same else _result(message.id, call, text, now))  # pyright: ignore[reportArgumentType]
    return updated


def _result(reply_id: str | None, call: ToolCall, text: str, now: float) -> ToolMessage:
    return tool_message(reply_id, call, "success", text, created_at=now, limit=len(text))


def as_message(entry: ClientMessage, known: Container[str | None], now: float) -> AnyMessage | None:
    """Return a client's message under an id of ours, `None` for one without new content."""
    told: dict[str, Any] = {"id": str(uuid4()), "additional_kwargs": {CREATED_AT: now}}
    if entry["role"] == "user":
        name = speaker_name(entry["name"]) if "name" in entry else None
        return HumanMessage(entry.get("content") or entry["text"], name=name, **told)
    if entry["role"] == "tool":
        call_id = entry.get("call_id", "")
        return (
            None
            if call_id in known
            else ToolMessage(entry["text"] or NO_OUTPUT, tool_call_id=call_id, **told)
        )
    calls = [
        ToolCall(name=legal_name(call["name"]), args=call["args"], id=acceptable_id(call["id"]))
        for call in entry.get("calls", ())
        if call["id"] not in known
    ]
    if not calls and not entry["text"].strip():
        return None
    return AIMessage(entry["text"].strip(), tool_calls=calls, **told)


def stable_call_id(call_id: str, *more: str) -> str:
    """Return a tool-call id that providers accept; a refused one is replaced deterministically.

    `more` distinguishes calls with an empty id.
    """
    if call_id and acceptable_id(call_id) == call_id:
        return call_id
    what = call_id or "\0".join(more)
    digest = hashlib.sha256(what.encode("utf-8", "replace"))
    return f"call_{digest.hexdigest()[:32]}"


def speaker_name(name: str) -> str:
    """Return a speaker's name as OpenAI accepts it: letters without accents, digits, `_` and `-`.

    A name of which nothing is left, in another script, becomes another unique one.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    legal = re.sub(r"[^a-zA-Z0-9_-]+", "_", plain).strip("_")[:64]
    if sum(character.isalnum() for character in legal) * 2 < sum(map(str.isalnum, name)):
        return f"speaker_{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:8]}"
    return legal or "speaker"
