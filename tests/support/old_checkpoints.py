"""Checkpoints as a conversation writes them, for the savers of LangGraph that older versions used."""

from typing import Any

from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.base import empty_checkpoint

WORD = "Rumpelstiltskin"
"""Stands in each message of a caller."""


def config(thread_id: str, checkpoint_id: str | None = None) -> Any:
    named = {"checkpoint_id": checkpoint_id} if checkpoint_id else {}
    return {"configurable": {"thread_id": thread_id, "checkpoint_ns": "", **named}}


async def fill(saver: Any, thread_id: str, turns: int) -> None:
    """Write checkpoints as a conversation does, each with a message more."""
    before, messages, version = config(thread_id), list[Any](), None
    for number in range(turns):
        version = saver.get_next_version(version, None)
        messages = [*messages, HumanMessage(f"Question {number}? {WORD}", id=f"{thread_id}-{number}")]
        checkpoint = {
            **empty_checkpoint(),
            "channel_values": {
                "messages": messages,
                "system_prompt": "You are kind. " * 40,
                "turn": {"n": 1},
            },
            "channel_versions": {"messages": version, "turn": "7", "system_prompt": "1"},
            "versions_seen": {"call_llm": {"messages": version}},
        }
        metadata = {"step": number, "source": "loop"}
        before = await saver.aput(before, checkpoint, metadata, checkpoint["channel_versions"])
        writes = [("messages", [AIMessage("Hm.", id=f"a{number}")]), ("turn", {"n": 2})]
        await saver.aput_writes(before, writes, f"task-{number}", "~path")


async def copy_thread(source: Any, target: Any, thread_id: str) -> None:
    for found in reversed(await contents(source, thread_id)):
        before = found.parent_config or config(thread_id)
        await target.aput(before, found.checkpoint, found.metadata, found.checkpoint["channel_versions"])
        for task_id, channel, value in found.pending_writes:
            await target.aput_writes(found.config, [(channel, value)], task_id)


async def contents(saver: Any, thread_id: str) -> list[Any]:
    return [found async for found in saver.alist(config(thread_id))]
