"""The chunks of any LangChain chat model as deltas: words, calls, thoughts, and the provider's own fields."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

import orjson
from langchain_core.messages import AIMessageChunk

from ..state.schema import Usage
from .delta import CallFragment, Delta, finish_reason

_TEXT = frozenset({"text", "text_delta", "output_text", "refusal"})
_CALLS = frozenset({"tool_use", "input_json_delta", "tool_call", "tool_call_chunk", "function_call"})
_THOUGHTS = frozenset({"thinking", "reasoning", "redacted_thinking", "reasoning_content", "thought"})
_STANDARD = frozenset({"tool_calls", "function_call", "refusal", "audio", "parsed"})
"""Keys of `additional_kwargs` that are read elsewhere, or that nobody needs back."""


def read_chunk(chunk: AIMessageChunk) -> Delta:
    """Return what a chunk adds; a model that does not stream gives its whole message as one."""
    metadata: dict[str, Any] = chunk.response_metadata
    text, blocks = chunk.content, ()
    if not isinstance(text, str):
        text, blocks = _from_blocks(text)
    extras = {
        name: value
        for name, value in cast(dict[str, Any], chunk.additional_kwargs).items()
        if name not in _STANDARD and value
    }
    thinking = any(_is_thought(block) for block in blocks) or any(
        "reason" in name or "think" in name for name in extras
    )
    return Delta(
        text=text or chunk.additional_kwargs.get("refusal") or "",
        calls=tuple(_calls(chunk)),
        finish_reason=finish_reason(metadata.get("finish_reason") or metadata.get("stop_reason")),
        usage=_usage(chunk),
        thinking=thinking,
        extras=extras or None,
        blocks=blocks,
    )


def _from_blocks(content: list[Any]) -> tuple[str, tuple[Mapping[str, Any], ...]]:
    """Return the words of a content, and its blocks that are neither words nor calls."""
    text, blocks = "", list[Mapping[str, Any]]()
    for item in content:
        if isinstance(item, str):
            text += item
            continue
        block = cast(dict[str, Any], item)
        kind = block.get("type")
        if kind in _TEXT and not block.get("thought"):
            text += str(block.get("text") or block.get("refusal") or "")
        elif kind not in _CALLS:
            blocks.append(block)
    return text, tuple(blocks)


def _is_thought(block: Mapping[str, Any]) -> bool:
    return block.get("type") in _THOUGHTS or bool(block.get("thought"))


def _calls(chunk: AIMessageChunk) -> Iterator[CallFragment]:
    pieces = getattr(chunk, "tool_call_chunks", None)
    if pieces is not None:
        for piece in pieces:
            yield CallFragment(
                piece.get("index") or 0, piece.get("id"), piece.get("name"), piece.get("args") or ""
            )
        return
    for index, call in enumerate(chunk.tool_calls):
        yield CallFragment(index, call["id"], call["name"], orjson.dumps(call["args"]).decode())


def _usage(chunk: AIMessageChunk) -> Usage | None:
    tokens = chunk.usage_metadata
    if tokens is None:
        return None
    return Usage(
        input_tokens=tokens["input_tokens"],
        output_tokens=tokens["output_tokens"],
        cached_tokens=tokens.get("input_token_details", {}).get("cache_read") or 0,
    )
