"""Cache the newest checkpoints of threads as this process wrote them, so the next turn need not decode them.

Decoding a window takes longer than everything else between a caller's words and the model request. Only
turns use the cache, each entry once; other readers read the database.
"""

from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, cast

from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)

from ..agents.thread_keys import key_of_call
from .checkpoint_clock import count_on
from .keyed_saver import place_of

MOST_MESSAGES = 5_000
"""Maximum number of messages of all heads, about 10 MB; the least recently used are evicted first."""
_USUAL_MESSAGE = 2_000
"""Characters that count as one message; a long message, or one with a picture, counts as several."""


@dataclass(frozen=True, slots=True)
class Head:
    """The newest checkpoint of a thread, and the version of the database when it was written."""

    found: CheckpointTuple
    data_version: object

    def size(self) -> int:
        """Return the memory that it takes, in messages of the usual size."""
        messages: list[Any] = self.found.checkpoint["channel_values"].get("messages", [])
        return 1 + sum(1 + _characters(message) // _USUAL_MESSAGE for message in messages)

    def copied(self) -> "Head":
        """Return a copy of the head: code that ran the turn has the original values and may change them."""
        checkpoint = self.found.checkpoint
        values = {name: _copy(value) for name, value in checkpoint["channel_values"].items()}
        return Head(
            self.found._replace(checkpoint={**checkpoint, "channel_values": values}), self.data_version
        )


class HeadCache:
    """Heads by thread key. A turn calls `begin`, takes the head of its thread and leaves a new one."""

    data_version: object = None
    """Assigned to heads that are written now; lets the checkpointer tell old ones from new ones."""

    def __init__(self, most_messages: int = MOST_MESSAGES) -> None:
        self._most = most_messages
        self._messages = 0
        self._kept: OrderedDict[str, tuple[Head, int]] = OrderedDict()
        """Heads and their sizes."""
        self._awaited: set[str] = set()
        self._written: dict[str, Head | None] = {}
        """The last checkpoints written by the running turns."""

    def begin(self, thread_id: str) -> None:
        """Start a turn on the thread; only that turn may take the head."""
        self._awaited.add(thread_id)
        self._written[thread_id] = None

    def end(self, thread_id: str, *, whole: bool) -> None:
        """Cache the turn's last checkpoint, unless the turn was broken off: then the next turn reads it."""
        self._awaited.discard(thread_id)
        head = self._written.pop(thread_id, None)
        self.drop(thread_id)
        if whole and head is not None:
            self._keep(thread_id, head.copied())

    def take(self, config: RunnableConfig) -> Head | None:
        """Return the thread's head to the turn that called `begin`, `None` to all others."""
        thread_id, named = _place(config)
        if named or thread_id not in self._awaited:
            return None
        self._awaited.discard(thread_id)
        return self._pop(thread_id)

    def wrote(self, config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata) -> None:
        """Record that this checkpoint, the child of the one in `config`, is in the database."""
        thread_id, before = _place(config)
        if thread_id not in self._written:
            self.drop(thread_id)
            return
        place = {**place_of(thread_id), "checkpoint_ns": ""}
        head = RunnableConfig(configurable={**place, "checkpoint_id": checkpoint["id"]})
        parent = RunnableConfig(configurable={**place, "checkpoint_id": before}) if before else None
        self._written[thread_id] = Head(
            CheckpointTuple(head, checkpoint, metadata, parent, []), self.data_version
        )

    def has_turn(self, thread_id: str) -> bool:
        """Return whether a turn is running on the thread."""
        return thread_id in self._written

    def drop(self, thread_id: str) -> None:
        """Forget the head of a thread that was changed elsewhere."""
        self._pop(thread_id)

    def _keep(self, thread_id: str, head: Head) -> None:
        size = head.size()
        self._kept[thread_id] = head, size
        self._messages += size
        while self._messages > self._most:
            _, (_, freed) = self._kept.popitem(last=False)
            self._messages -= freed

    def _pop(self, thread_id: str) -> Head | None:
        head, size = self._kept.pop(thread_id, (None, 0))
        self._messages -= size
        return head


class CachingSaver(BaseCheckpointSaver[Any]):
    """Mixin of a checkpointer that caches `heads`; it implements `is_head`."""

    heads: HeadCache

    @abstractmethod
    async def is_head(self, head: Head) -> bool:
        """Return whether this is still the newest checkpoint of its thread, whatever other processes did."""

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return the given checkpoint, or the newest of the thread."""
        head = self.heads.take(config)
        if head is not None and await self.is_head(head):
            return head.found
        found = await super().aget_tuple(config)
        if found is not None:
            count_on(found.checkpoint["id"])
        return found

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Write a checkpoint; writing it again changes nothing."""
        written = await super().aput(config, checkpoint, metadata, new_versions)
        if not _namespace(config):
            self.heads.wrote(config, checkpoint, metadata)
        return written

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Write a step's results before its checkpoint; writing them again changes nothing."""
        self.heads.drop(_place(config)[0])
        await super().aput_writes(config, writes, task_id, task_path)

    async def adelete_thread(self, thread_id: str) -> None:
        """Delete all checkpoints of a thread."""
        self.heads.drop(thread_id)
        await super().adelete_thread(thread_id)


def _characters(message: Any) -> int:
    """Return about how many characters a message's content, calls and provider fields have."""
    waiting: list[Any] = [message.content, getattr(message, "tool_calls", None), message.additional_kwargs]
    characters = 0
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            characters += len(value)
        elif isinstance(value, dict):
            waiting += cast(dict[str, Any], value).values()
        elif isinstance(value, list):
            waiting += cast(list[Any], value)
    return characters


def _place(config: RunnableConfig) -> tuple[str, str | None]:
    """Return the thread key that a config refers to, and the checkpoint id if it has one."""
    place = config.get("configurable", {})
    return key_of_call(place), place.get("checkpoint_id")


def _namespace(config: RunnableConfig) -> str:
    return config.get("configurable", {}).get("checkpoint_ns") or ""


def _copy(value: Any) -> Any:
    if isinstance(value, list):
        return [
            each.model_copy() if isinstance(each, BaseMessage) else deepcopy(each)
            for each in cast(list[Any], value)
        ]
    return deepcopy(value)
