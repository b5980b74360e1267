"""Built-in tools with which the model edits its own memory. Agents have them only if they name them.

All have side effects: once started they run to the end, and their result is known, despite interruptions.
After a crash they are not run again automatically; the model sees the block in its prompt.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Annotated

from langchain_core.tools import ToolException

from ....state.agents.blocks import Block
from ....state.errors import Conflict, InvalidInput, InvalidSetting, NotFound
from ..agent_memory import Memory
from ..registry import current_call, voice_tool

Label = Annotated[str, "The label of the block, such as human."]


@voice_tool(side_effects=True)
async def memory_append(
    label: Label,
    content: Annotated[str, "The line to add. It must make sense in a later call."],
) -> str:
    """Add a line to the end of one of your memory blocks, such as a fact to remember about the user."""
    with _told_to_the_model():
        return _size(await _memory().append(label, content))


@voice_tool(side_effects=True)
async def memory_replace(
    label: Label,
    old: Annotated[str, "The exact words to replace. They must occur exactly once in the block."],
    new: Annotated[str, "The replacement; empty to delete the words."],
) -> str:
    """Correct one of your memory blocks: replace or delete some of its words."""
    with _told_to_the_model():
        return _size(await _memory().replace(label, old, new))


@voice_tool(side_effects=True)
async def archive(
    content: Annotated[str, "The text to keep. It must make sense without this conversation."],
) -> str:
    """Save something permanently in your archive: what is too long or too minor for a memory block."""
    with _told_to_the_model():
        await _memory().archive(content)
    return "Saved to the archive."


def _memory() -> Memory:
    memory = current_call().memory
    if memory is None:
        raise InvalidSetting("there is no memory outside a turn")
    return memory


def _size(block: Block) -> str:
    return f"Done. Block '{block.label}' now uses {len(block.value)} of {block.limit} characters."


@contextmanager
def _told_to_the_model() -> Generator[None]:
    """Turn errors that the model can correct into the result of its call; others fail as in any tool."""
    try:
        yield
    except (InvalidInput, NotFound, Conflict) as error:
        raise ToolException(f"Not done: {error}.") from error
