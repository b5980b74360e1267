"""Callbacks of model calls: tracers see the call itself, streams of a run see the speech.

The model's own tokens include thoughts and no preambles, so they must not reach a handler that streams a run
to a listener (`messages` mode, `astream_events`). It gets the spoken text from `speech.py`; no handler gets
both.
"""

from collections.abc import Callable
from typing import Any

from langchain_core.callbacks import AsyncCallbackManager, BaseCallbackHandler
from langchain_core.callbacks.base import BaseCallbackManager
from langchain_core.runnables import ensure_config

_STREAMING = ("langgraph.", "langchain_core.tracers.event_stream", "langchain_core.tracers.log_stream")
"""Modules of handlers that stream a run, in case the method that marks them is renamed."""

Callbacks = list[BaseCallbackHandler] | BaseCallbackManager | None


def streams_runs(handler: BaseCallbackHandler) -> bool:
    """Return whether a handler passes the tokens of a run on to a listener."""
    return hasattr(handler, "tap_output_aiter") or type(handler).__module__.startswith(_STREAMING)


def only(callbacks: Callbacks, wanted: Callable[[BaseCallbackHandler], bool]) -> Callbacks:
    """Return the callbacks with only the wanted handlers."""
    if callbacks is None or isinstance(callbacks, list):
        return None if callbacks is None else [handler for handler in callbacks if wanted(handler)]
    kept = callbacks.copy()
    kept.handlers = [handler for handler in kept.handlers if wanted(handler)]
    kept.inheritable_handlers = [handler for handler in kept.inheritable_handlers if wanted(handler)]
    return kept


def model_callbacks() -> Callbacks:
    """Return the callbacks of the running step for its model call."""
    return only(ensure_config().get("callbacks"), lambda handler: not streams_runs(handler))


def observers(chat: Any, metadata: dict[str, Any]) -> AsyncCallbackManager | None:
    """Return the manager for a call of the chat model, `None` without handlers."""
    config = ensure_config()
    manager = AsyncCallbackManager.configure(
        model_callbacks(),
        chat.callbacks,
        chat.verbose,
        config.get("tags"),
        chat.tags,
        {**(config.get("metadata") or {}), **metadata},
        chat.metadata,
    )
    return manager if any(not streams_runs(handler) for handler in manager.handlers) else None
