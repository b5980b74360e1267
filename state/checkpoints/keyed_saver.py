"""A checkpointer whose callers use thread names; checkpoints are stored under thread keys.

This is not done where a turn begins: LangGraph passes a run's configuration to tools, to the metadata of its
stream and out with every state, and all of these must show the name.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)

from ..agents.actors import Actor
from ..agents.thread_keys import key_of_call, thread_name, thread_owner


class KeyedSaver(BaseCheckpointSaver[Any]):
    """Accepts configurations with `thread_id`, `organization` and `user`, or with a key as `thread_id`.

    Returned configurations have the name, and the owner unless it is the default actor; passed back, they
    refer to the same thread.
    """

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return the given checkpoint, or the newest of the thread."""
        found = await super().aget_tuple(_keyed(config))
        return None if found is None else _shown(found)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Yield checkpoints, newest first."""
        keyed = None if config is None else _keyed(config)
        async for found in super().alist(keyed, filter=filter, before=before, limit=limit):
            yield _shown(found)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Write a checkpoint; writing it again changes nothing."""
        return _named(await super().aput(_keyed(config), checkpoint, metadata, new_versions))

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Write a step's results before its checkpoint; writing them again changes nothing."""
        await super().aput_writes(_keyed(config), writes, task_id, task_path)


def _place_of(key: str) -> dict[str, Any]:
    """Return the configuration fields of the thread with this key: its name, and its owner if needed."""
    owner = thread_owner(key)
    if owner == Actor():
        return {"thread_id": key}
    return {"thread_id": thread_name(key), "organization": owner.organization_id, "user": owner.user_id}


def _keyed(config: RunnableConfig) -> RunnableConfig:
    place = config.get("configurable", {})
    name = place.get("thread_id")
    if name is None or (key := key_of_call(place)) == name:
        return config
    # Without the owner, which is part of the key: savers write the other fields into the checkpoint's
    # metadata.
    rest = {name: value for name, value in place.items() if name not in ("organization", "user")}
    return {**config, "configurable": {**rest, "thread_id": key}}


def _named(config: RunnableConfig) -> RunnableConfig:
    place = config.get("configurable", {})
    return {**config, "configurable": {**place, **_place_of(str(place.get("thread_id")))}}


def _shown(found: CheckpointTuple) -> CheckpointTuple:
    parent = found.parent_config
    return found._replace(config=_named(found.config), parent_config=parent and _named(parent))
