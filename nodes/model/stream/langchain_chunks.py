"""Convert the chunks of any LangChain chat model to deltas: text, calls, thoughts, and provider fields."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, cast

import orjson
from langchain_core.messages import AIMessageChunk

from ...text.json_values import object_of
from .content_blocks import holds_thoughts, provider_fields, split_content
from .delta import MOST_FRAGMENTS, CallFragment, Delta
from .finish_reasons import failure, finish_reason
from .token_counts import usage_of

_STANDARD = frozenset({"tool_calls", "function_call", "refusal", "audio", "parsed"})
"""Keys of `additional_kwargs` that are read elsewhere or are not sent back."""
_REASONS = ("finish_reason", "stop_reason", "stopReason", "done_reason", "finishReason")


def read_chunk(chunk: AIMessageChunk) -> Delta:
    """Return what a chunk adds; a model without streaming gives its whole message as one chunk."""
    own = cast(dict[str, Any], chunk.additional_kwargs)
    text, blocks = split_content(chunk.content)
    extras = provider_fields(own, _STANDARD) if own else None
    refusal = own.get("refusal")
    reason = _reason(chunk.response_metadata) if chunk.response_metadata else None
    return Delta(
        text=text or (refusal if isinstance(refusal, str) else ""),
        calls=tuple(islice(_calls(chunk, own.get("function_call")), MOST_FRAGMENTS + 1)),
        finish_reason=finish_reason(reason),
        failure=failure(reason) if reason else None,
        usage=usage_of(chunk.usage_metadata),
        thinking=holds_thoughts(extras, blocks),
        extras=extras,
        blocks=blocks,
    )


def _reason(metadata: Mapping[str, Any]) -> object:
    """Return the finish reason as the provider gave it."""
    given = next((metadata[name] for name in _REASONS if metadata.get(name)), None)
    if given is None and metadata.get("status") in (
        "incomplete",
        "failed",
        "cancelled",
    ):  # OpenAI's Responses.
        given = object_of(metadata.get("incomplete_details")).get("reason") or metadata["status"]
    return given


def _calls(chunk: AIMessageChunk, legacy: object) -> Iterator[CallFragment]:
    pieces = getattr(chunk, "tool_call_chunks", None)
    if pieces is not None:
        for piece in cast(list[Mapping[str, Any]], pieces):
            yield CallFragment(
                index=index if isinstance(index := piece.get("index"), int) else None,
                id=piece.get("id") or None,
                name=piece.get("name") or None,
                arguments=piece.get("args") or "",
            )
    else:
        for index, call in enumerate((*chunk.tool_calls, *chunk.invalid_tool_calls)):
            arguments: object = call["args"] or ""
            text = arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode()
            yield CallFragment(index, call["id"], call["name"], text)
    call = object_of(legacy)
    if call and not pieces:
        yield CallFragment(0, None, call.get("name") or None, str(call.get("arguments") or ""))
