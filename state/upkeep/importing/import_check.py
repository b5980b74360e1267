"""Check a whole memory file before anything of it is stored."""

import asyncio
from collections.abc import Iterable

from ...agents.agent_settings import checked_settings, checked_time_zone
from ...agents.block_rows import checked_value
from ...errors import InvalidInput
from ...search.passages import MOST_CHARACTERS
from ...tables.names import checked_name
from ..memory_file import FileAgent, FileBlock, MemoryFile


async def check_memory_file(file: MemoryFile) -> None:
    """Raise `InvalidInput`, which names what cannot be imported.

    A text over its limit raises `BlockTooLong`, an unknown time zone `InvalidSetting`.
    """
    # In a thread: checking a large file would block the event loop, and with it other conversations.
    await asyncio.to_thread(_check, file)
    for agent in file.agents:
        await checked_time_zone(agent.time_zone)


def _check(file: MemoryFile) -> None:
    _each_once("block id", (block.id for block in file.blocks))
    _each_once("agent id", (agent.id for agent in file.agents))
    _each_once("agent name", (agent.name for agent in file.agents))
    _each_once("thread id", (thread.id for agent in file.agents for thread in agent.threads))
    _each_once("passage id", (passage.id for agent in file.agents for passage in agent.passages))
    for block in file.blocks:
        _check_block(block)
    labels = {block.id: block.label for block in file.blocks}
    for agent in file.agents:
        _check_agent(agent, labels)


def _check_block(block: FileBlock) -> None:
    checked_name("block label", block.label)
    if [entry.version for entry in block.versions] != list(range(1, len(block.versions) + 1)):
        raise InvalidInput(f"the versions of block '{block.label}' must be 1, 2, ... in this order")
    for entry in block.versions:
        checked_name("author of a change", entry.changed_by)
        # Earlier texts may be longer: the limit may have been lowered since.
        checked_value(block.label, entry.value, max(block.limit, len(entry.value)))
    checked_value(block.label, block.versions[-1].value, block.limit)


def _check_agent(agent: FileAgent, labels: dict[str, str]) -> None:
    checked_name("agent name", agent.name)
    checked_settings(agent.model_settings)
    missing = next((block_id for block_id in agent.blocks if block_id not in labels), None)
    if missing is not None:
        raise InvalidInput(f"agent '{agent.name}' has a block '{missing}' that is not in the file")
    _each_once(f"block label of agent '{agent.name}'", (labels[block_id] for block_id in agent.blocks))
    for thread in agent.threads:
        checked_name("thread id", thread.id)
        _each_once(f"message id of thread '{thread.id}'", (message.id for message in thread.messages))
    for passage in agent.passages:
        checked_name("passage id", passage.id)
        size = len(passage.text)
        if not passage.text.strip():
            raise InvalidInput(f"the passage '{passage.id}' is empty")
        if size > MOST_CHARACTERS:
            raise InvalidInput(
                f"the passage '{passage.id}' has {size} characters, the limit is {MOST_CHARACTERS}"
            )


def _each_once(what: str, values: Iterable[str]) -> None:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise InvalidInput(f"the {what} '{value}' occurs twice")
        seen.add(value)
