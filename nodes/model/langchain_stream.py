"""Stream a completion from any LangChain chat model, through LangChain itself."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, cast

from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.runnables import Runnable, RunnableBinding, RunnableConfig

from ..turn.model_callbacks import model_callbacks
from .stream.delta import Delta
from .stream.langchain_chunks import read_chunk


async def stream_langchain(
    model: Runnable[Any, Any], messages: Sequence[BaseMessage], settings: Mapping[str, Any]
) -> AsyncGenerator[Delta]:
    """Yield the deltas of one completion; a normal end is accepted, since many models give no finish reason.

    Raises what the model raises.
    """
    config: RunnableConfig = {"callbacks": model_callbacks(), "tags": ["nostream"]}
    asked, options = _unbound(model, settings)
    stream = asked.astream(list(messages), config, **options)
    async with aclosing(cast(AsyncGenerator[AIMessageChunk], stream)) as chunks:
        async for chunk in chunks:
            yield read_chunk(chunk)


def _unbound(model: Any, settings: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return the unbound model, and the settings merged with those bound to it.

    A binding would add all callbacks of the step again, including those that must not see the model's own
    tokens.
    """
    options = dict(settings)
    bound: Any = model
    while isinstance(model, RunnableBinding) and not (bound.config or bound.config_factories):
        options = {**bound.kwargs, **options}
        model = bound = bound.bound
    return bound, options
