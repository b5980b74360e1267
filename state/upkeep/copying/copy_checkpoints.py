"""Copy the checkpoints of all threads between databases, through LangGraph's interface of savers."""

from collections.abc import Callable
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointTuple

from ...checkpoints.checkpointer import Checkpointer
from .copy_database import Compared

Space = tuple[str, str]
"""A thread and the namespace of its checkpoints, which is empty except for subgraphs."""


async def copy_checkpoints(
    source: Checkpointer, target: Checkpointer, progress: Callable[[int, int], None]
) -> None:
    """Make the checkpoints of `target` equal to those of `source`; `progress` gets threads done and total."""
    threads = sorted({thread for thread, _ in await source.threads()})
    for done, thread in enumerate(threads, start=1):
        if not await _same(source, target, thread):
            # An earlier copy may have left checkpoints that the source has pruned since.
            await target.erase([thread])
            for space in await source.threads(thread):
                async for saved in source.alist(_config(space)):
                    await _put(target, space, saved)
        progress(done, len(threads))


async def compare_checkpoints(source: Checkpointer, target: Checkpointer) -> Compared:
    """Return the number of checkpoints on both sides, and whether they are all equal."""
    one, other = await source.threads(), await target.threads()
    threads = {thread for thread, _ in (*one, *other)}
    same = all([await _same(source, target, thread) for thread in threads])
    return Compared(table="checkpoints", rows=sum(one.values()), copied=sum(other.values()), same=same)


async def _same(source: Checkpointer, target: Checkpointer, thread: str) -> bool:
    spaces = await source.threads(thread)
    if spaces != await target.threads(thread):
        return False
    for space in spaces:
        there = {_id(saved): _content(saved) async for saved in target.alist(_config(space))}
        if there != {_id(saved): _content(saved) async for saved in source.alist(_config(space))}:
            return False
    return True


async def _put(target: Checkpointer, space: Space, saved: CheckpointTuple) -> None:
    checkpoint = saved.checkpoint
    parent = saved.parent_config or _config(space)
    # All values: a saved checkpoint does not say which of them were new with it.
    await target.aput(parent, checkpoint, saved.metadata, checkpoint["channel_versions"])
    of_tasks: dict[str, list[tuple[str, Any]]] = {}
    for task_id, channel, value in saved.pending_writes or ():
        of_tasks.setdefault(task_id, []).append((channel, value))
    for task_id, writes in of_tasks.items():
        await target.aput_writes(saved.config, writes, task_id)


def _config(space: Space) -> RunnableConfig:
    return {"configurable": {"thread_id": space[0], "checkpoint_ns": space[1]}}


def _id(saved: CheckpointTuple) -> str:
    return saved.checkpoint["id"]


def _content(saved: CheckpointTuple) -> tuple[Any, ...]:
    parent = (saved.parent_config or {}).get("configurable", {}).get("checkpoint_id")
    return saved.checkpoint, dict(saved.metadata), parent, sorted(saved.pending_writes or (), key=_of_write)


def _of_write(write: tuple[str, str, Any]) -> tuple[str, str, str]:
    return write[0], write[1], repr(write[2])
