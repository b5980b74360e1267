"""Cache the newest checkpoints of threads as this process wrote them, so the next turn need not decode them.

Decoding a window takes longer than everything else between a caller's words and the model request. Only
turns use the cache, each entry once; other readers read the database.
"""

from collections import OrderedDict
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any, cast

from langchain_core.messages import BaseMessage
from langgraph.checkpoint.base import Checkpoint, CheckpointMetadata, CheckpointTuple

from .checkpoint_rows import config_of
from .pieces import Known, OfObject, digests_in

MOST_MESSAGES = 5_000
"""Maximum number of messages of all heads, about 10 MB; the least recently used are evicted first."""
_USUAL_MESSAGE = 2_000
"""Characters that count as one message; a long message, or one with a picture, counts as several."""


@dataclass(frozen=True, slots=True)
class Head:
    """The newest checkpoint of a thread, the hashes of its pieces, and the version of the database then.

    `of_object` has the hashes of its messages, as `Known` has them.
    """

    found: CheckpointTuple
    digests: bytes
    data_version: object
    of_object: OfObject = field(default_factory=OfObject)

    def size(self) -> int:
        """Return the memory that it takes, in messages of the usual size."""
        messages: list[Any] = self.found.checkpoint["channel_values"].get("messages", [])
        return 1 + sum(1 + _characters(message) // _USUAL_MESSAGE for message in messages)

    def copied(self, known: Known) -> "Head":
        """Return a copy of the head: code that ran the turn has the original values and may change them."""
        checkpoint, of_object = self.found.checkpoint, OfObject()
        stored = set(digests_in(self.digests))

        def copy(value: Any) -> Any:
            if isinstance(value, list):
                return [copy(each) for each in cast(list[Any], value)]
            if not isinstance(value, BaseMessage):
                return deepcopy(value)
            copied, original = value.model_copy(), known.of_object.get(id(value))
            if original is not None and original[1] in stored:  # Otherwise it would be encoded again.
                of_object[id(copied)] = copied, original[1]
            return copied

        values = {name: copy(value) for name, value in checkpoint["channel_values"].items()}
        found = self.found._replace(checkpoint={**checkpoint, "channel_values": values})
        return replace(self, found=found, of_object=of_object)


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
        self._empty: set[str] = set()
        """Threads without a checkpoint on which a turn has begun."""
        self._written: dict[str, Head | None] = {}
        """The last checkpoints written by the running turns."""

    def begin(self, thread_id: str, *, is_empty: bool = False) -> None:
        """Start a turn on the thread; only it may take the head. If `is_empty`, there is no checkpoint."""
        self._awaited.add(thread_id)
        if is_empty:
            self._empty.add(thread_id)
        self._written[thread_id] = None

    def end(self, thread_id: str, known: Known, *, whole: bool) -> None:
        """Cache the turn's last checkpoint, unless the turn was broken off: then the next turn reads it.

        `known` has the hashes of the turn's messages.
        """
        self._awaited.discard(thread_id)
        self._empty.discard(thread_id)
        head = self._written.pop(thread_id, None)
        self.drop(thread_id)
        if whole and head is not None:
            self._keep(thread_id, head.copied(known))

    def is_empty(self, thread_id: str) -> bool:
        """Return whether a turn has begun on the thread, which had no checkpoint, and has written none."""
        return thread_id in self._empty

    def filled(self, thread_id: str) -> None:
        """Record that the thread has a checkpoint."""
        self._empty.discard(thread_id)

    def take(self, thread_id: str) -> Head | None:
        """Return the thread's head to the turn that called `begin`, `None` to all others."""
        if thread_id not in self._awaited:
            return None
        self._awaited.discard(thread_id)
        return self._pop(thread_id)

    def wrote(
        self,
        thread_id: str,
        before: str | None,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        digests: bytes,
    ) -> None:
        """Record that a checkpoint, the child of the one with the id `before`, is written."""
        if thread_id not in self._written:
            self.drop(thread_id)
            return
        head = config_of(thread_id, "", checkpoint["id"])
        parent = config_of(thread_id, "", before) if before else None
        found = CheckpointTuple(head, checkpoint, metadata, parent, [])
        self._written[thread_id] = Head(found, digests, self.data_version)

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
