"""The configuration of a turn, including one that runs inside another graph or a tool."""

from collections.abc import Mapping
from typing import Any, cast

from langchain_core.messages import AnyMessage, HumanMessage
from langchain_core.runnables import RunnableConfig, ensure_config
from langchain_core.runnables.config import merge_configs
from langgraph.runtime import get_runtime

from ...nodes.context import Context
from ...state.agents.actors import Actor
from ...state.agents.thread_keys import thread_name, thread_owner

_OF_A_CHECKPOINT = ("checkpoint_ns", "checkpoint_map")
_WHOSE = ("thread_id", "organization", "user")


def turn_config(bound: RunnableConfig | None, given: RunnableConfig | None) -> tuple[RunnableConfig, bool]:
    """Return the configuration of a turn, and whether the turn runs inside another graph.

    `bound` is from `with_config`. A turn has its own thread and checkpoints: the keys that a graph passes to
    its nodes are removed. Without a `thread_id`, that of the surrounding graph or tool is used.
    """
    config = merge_configs(bound, given)
    keys = config.get("configurable", {})
    if not keys.get("thread_id"):
        keys = {**_surrounding(), **keys}
    nested = bool(keys.get("checkpoint_ns"))
    own = {
        key: value for key, value in keys.items() if not key.startswith("__") and key not in _OF_A_CHECKPOINT
    }
    return {**config, "configurable": own}, nested


def call_of(config: RunnableConfig, context: Any) -> dict[str, Any]:
    """Return the configuration of a call, such as its thread; the context overrides the config."""
    told: Mapping[str, Any] = cast(Any, context) if isinstance(context, Mapping) else {}
    return {**config.get("configurable", {}), **told}


def config_of_call(config: RunnableConfig, call: Mapping[str, Any]) -> RunnableConfig:
    """Return the configuration with the key of the call's thread and owner, which names its checkpoints."""
    whose = {name: str(call[name]) for name in _WHOSE if name in call}
    return {**config, "configurable": {**config.get("configurable", {}), **whose}}


def config_of(actor: Actor, thread_id: str) -> RunnableConfig:
    """Return the configuration for reading or changing a thread of the actor."""
    whose = {"organization": actor.organization_id, "user": actor.user_id}
    return {"configurable": {"thread_id": thread_id, **whose}}


def config_of_key(key: str) -> RunnableConfig:
    """Return the configuration for the thread with this key."""
    return config_of(thread_owner(key), thread_name(key))


def _surrounding() -> Mapping[str, Any]:
    """Return the configuration of the graph or tool around this call.

    Empty inside a turn of ours, where a tool may run another turn: on the same thread, it would stop the turn
    that waits for it.
    """
    try:
        if isinstance(getattr(get_runtime(), "context", None), Context):
            return {}
    except (RuntimeError, KeyError):  # There is no surrounding graph.
        pass
    return ensure_config().get("configurable", {})


def new_messages_only(part: Any) -> Any:
    """Return a part of LangGraph's stream with only the messages that the turn has added.

    A surrounding graph stores the conversation itself: the whole window would be added again.
    """
    if isinstance(part, tuple):
        parts = cast(tuple[Any, ...], part)
        return (*parts[:-1], new_messages_only(parts[-1]))
    if not isinstance(part, dict):
        return part
    fields = cast(dict[str, Any], part)
    if fields.get("type") == "values" and "data" in fields:
        return {**fields, "data": new_messages_only(fields["data"])}
    if "messages" in fields and "turn" in fields:
        return {**fields, "messages": _added(fields["messages"], fields["turn"].get("replies_after"))}
    return fields


def _added(window: list[AnyMessage], after: str | None) -> list[AnyMessage]:
    ids = [message.id for message in window]
    if after in ids:
        return window[ids.index(after) + 1 :]
    people = [place for place, message in enumerate(window) if isinstance(message, HumanMessage)]
    return window[people[-1] + 1 :] if people else list(window)
