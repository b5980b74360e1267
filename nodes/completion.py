"""One streamed completion as small deltas, the same for every LangChain chat model."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, cast

import orjson
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.runnables import Runnable

from ..state.errors import ModelProtocolError
from ..state.schema import Usage
from .delta import CallFragment, Delta, finish_reason
from .model import VoiceModel
from .model_errors import as_model_error
from .openai_request import raw_request
from .openai_stream import stream_raw
from .tools.registry import VoiceTool


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the model is asked: the whole prompt, the tools on offer, and the agent's own settings."""

    messages: Sequence[BaseMessage]
    tools: Sequence[VoiceTool] = ()
    client_tools: Sequence[Mapping[str, Any]] = ()
    """Tools that the client of an endpoint runs itself, in OpenAI's form."""
    user: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])


async def stream_completion(model: VoiceModel, request: Request) -> AsyncGenerator[Delta]:
    """Yield the deltas of one completion.

    Raises only `ModelError`s. Closing the generator, or cancelling the task that waits for it, closes the
    connection to the provider.
    """
    settings = {**model.settings, **request.settings}
    if request.user and model.takes_user:
        settings["user"] = request.user
    bound = model.with_tools(request.tools, request.client_tools) if model.calls_tools else model.chat
    try:
        raw = raw_request(bound, request.messages, settings)
        if raw is not None:
            stream = stream_raw(raw, model.name)
        else:
            stream = _stream_any(bound, request.messages, settings)
        async with aclosing(stream) as deltas:
            async for delta in deltas:
                yield delta
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise ModelProtocolError(f"{model.name}: cancelled its own answer") from error
    except Exception as error:
        raise as_model_error(error, model.name) from error


async def _stream_any(
    model: Runnable[Any, Any], messages: Sequence[BaseMessage], settings: Mapping[str, Any]
) -> AsyncGenerator[Delta]:
    """Yield the deltas of any LangChain chat model."""
    # `nostream`: LangGraph's `messages` mode would read thoughts aloud and miss the preambles.
    stream = model.astream(list(messages), {"tags": ["nostream"]}, **settings)
    async with aclosing(cast(AsyncGenerator[AIMessageChunk], stream)) as chunks:
        async for chunk in chunks:
            yield _delta(chunk)


def _delta(chunk: AIMessageChunk) -> Delta:
    metadata: dict[str, Any] = chunk.response_metadata
    reason = metadata.get("finish_reason") or metadata.get("stop_reason")
    return Delta(
        text=str(chunk.text) if chunk.content else "",
        calls=tuple(
            CallFragment(part.get("index") or 0, part.get("id"), part.get("name"), part.get("args") or "")
            for part in _call_parts(chunk)
        ),
        finish_reason=finish_reason(reason),
        usage=_usage(chunk),
    )


def _call_parts(chunk: AIMessageChunk) -> Sequence[Mapping[str, Any]]:
    """Return the pieces of tool calls; a model that does not stream gives whole calls in one message."""
    parts = getattr(chunk, "tool_call_chunks", None)
    if parts is not None:
        return parts
    return [
        {"index": index, "id": call["id"], "name": call["name"], "args": orjson.dumps(call["args"]).decode()}
        for index, call in enumerate(chunk.tool_calls)
    ]


def _usage(chunk: AIMessageChunk) -> Usage | None:
    tokens = chunk.usage_metadata
    if tokens is None:
        return None
    return Usage(
        input_tokens=tokens["input_tokens"],
        output_tokens=tokens["output_tokens"],
        cached_tokens=tokens.get("input_token_details", {}).get("cache_read") or 0,
    )
