"""Send back to a model what it sent besides text and calls: thoughts, signatures, its own fields.

Several providers refuse a tool's result if the reply that called the tool comes back without them: Gemini's
`extra_content` (https://ai.google.dev/gemini-api/docs/thought-signatures), DeepSeek's `reasoning_content`
(https://api-docs.deepseek.com/guides/thinking_mode), Anthropic's thinking blocks, OpenRouter's
`reasoning_details`. A reply without tools goes back as text only, and another model gets none of it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from ..stream.provider_fields import PROVIDER


def add_to_payload(
    payload: Sequence[dict[str, Any]], messages: Sequence[BaseMessage], model: str
) -> set[str]:
    """Add the fields to the messages of a request in OpenAI's protocol; return their names."""
    added: set[str] = set()
    for place, kept in _kept(messages, model).items():
        message = payload[place]
        fields: Mapping[str, Any] = kept.get("message", {})
        message.update(fields)
        added |= fields.keys()
        if kept.get("blocks"):
            message["content"] = [*kept["blocks"], *_text_parts(message.get("content"))]
        extras: Mapping[str, Mapping[str, Any]] = kept.get("calls", {})
        for call in message.get("tool_calls") or ():
            call.update(extras.get(call["id"], {}))
            added |= extras.get(call["id"], {}).keys()
    return added


def with_fields(messages: Sequence[BaseMessage], model: str) -> list[BaseMessage]:
    """Return the messages as the LangChain chat model gave them: with its own keys and content blocks."""
    restored = list(messages)
    for place, kept in _kept(messages, model).items():
        message = restored[place]
        extra = {**message.additional_kwargs, **kept.get("message", {})}
        content: Any = message.content
        if kept.get("blocks"):
            content = [*kept["blocks"], *_text_parts(content)]
        restored[place] = message.model_copy(update={"additional_kwargs": extra, "content": content})
    return restored


def _kept(messages: Sequence[BaseMessage], model: str) -> dict[int, Mapping[str, Any]]:
    """Return the fields that `model` needs back, by message index: only for turns that called a tool."""
    kept: dict[int, Mapping[str, Any]] = {}
    turn: dict[int, Mapping[str, Any]] = {}
    called = False
    for place, message in enumerate(messages):
        if isinstance(message, HumanMessage):
            kept |= turn if called else {}
            turn, called = {}, False
        elif isinstance(message, AIMessage):
            called = called or bool(message.tool_calls)
            fields = cast(Mapping[str, Any], message.additional_kwargs.get(PROVIDER, {}))
            if fields.get("model") == model:
                turn[place] = fields
    return kept | turn if called else kept


def _text_parts(content: object) -> list[Any]:
    if isinstance(content, list):
        return cast(list[Any], content)
    return [{"type": "text", "text": content}] if content else []
