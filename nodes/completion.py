"""One streamed completion as small deltas, the same for every LangChain chat model."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, cast

import orjson
from langchain_core.messages import AIMessageChunk, BaseMessage

from ..state.errors import ModelProtocolError
from ..state.schema import Usage
from .model import VoiceModel
from .model_errors import as_model_error
from .tools.registry import VoiceTool

_FINISH_REASONS = {"end_turn": "stop", "tool_use": "tool_calls", "max_tokens": "length", "STOP": "stop"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the model is asked: the whole prompt, the tools on offer, and the agent's own settings."""

    messages: Sequence[BaseMessage]
    tools: Sequence[VoiceTool] = ()
    client_tools: Sequence[Mapping[str, Any]] = ()
    """Tools that the client of an endpoint runs itself, in OpenAI's form."""
    user: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class CallFragment:
    """A piece of a tool call; `index` tells which call of the message it belongs to."""

    index: int
    id: str | None
    name: str | None
    arguments: str


@dataclass(frozen=True, slots=True)
class Delta:
    """What one chunk of the stream adds."""

    text: str = ""
    calls: tuple[CallFragment, ...] = ()
    finish_reason: str | None = None
    usage: Usage | None = None

    @property
    def begins(self) -> bool:
        """True when the model has begun to answer: this is its first token."""
        return bool(self.text or self.calls)


async def stream_completion(model: VoiceModel, request: Request) -> AsyncGenerator[Delta]:
    """Yield the deltas of one completion.

    Raises only `ModelError`s. Closing the generator, or cancelling the task that waits for it, closes the
    connection to the provider.
    """
    settings = {**model.settings, **request.settings}
    if request.user and model.takes_user:
        settings["user"] = request.user
    bound = model.with_tools(request.tools, request.client_tools) if model.calls_tools else model.chat
    # `nostream`: LangGraph's `messages` mode would read thoughts aloud and miss the preambles.
    stream = bound.astream(list(request.messages), {"tags": ["nostream"]}, **settings)
    try:
        async with aclosing(cast(AsyncGenerator[AIMessageChunk], stream)) as chunks:
            async for chunk in chunks:
                yield _delta(chunk)
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise ModelProtocolError(f"{model.name}: cancelled its own answer") from error
    except Exception as error:
        raise as_model_error(error, model.name) from error


def _delta(chunk: AIMessageChunk) -> Delta:
    metadata: dict[str, Any] = chunk.response_metadata
    reason = metadata.get("finish_reason") or metadata.get("stop_reason")
    return Delta(
        text=str(chunk.text) if chunk.content else "",
        calls=tuple(
            CallFragment(part.get("index") or 0, part.get("id"), part.get("name"), part.get("args") or "")
            for part in _call_parts(chunk)
        ),
        finish_reason=_FINISH_REASONS.get(reason, reason) if isinstance(reason, str) else None,
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
