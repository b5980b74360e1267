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
    content: Annotated[str, "The line to add, in words that will still be understood in a later call."],
) -> str:
    """Add a line at the end of one of your memory blocks, such as a fact to remember about the user."""
    with _told_to_the_model():
        return _size(await _memory().append(label, content))


@voice_tool(side_effects=True)
async def memory_replace(
    label: Label,
    old: Annotated[str, "The words to replace, exactly as they stand in the block, where they stand once."],
    new: Annotated[str, "What to write in their place; empty to delete them."],
) -> str:
    """Correct one of your memory blocks: replace words that stand in it, or delete them."""
    with _told_to_the_model():
        return _size(await _memory().replace(label, old, new))


@voice_tool(side_effects=True)
async def archive(
    content: Annotated[str, "What to keep, in words that will be understood without this conversation."],
) -> str:
    """Keep something for good in your archive: what is too long or too small for a memory block."""
    with _told_to_the_model():
        await _memory().archive(content)
    return "Kept in the archive."


def _memory() -> Memory:
    memory = current_call().memory
    if memory is None:
        raise InvalidSetting("there is no memory outside a turn")
    return memory


def _size(block: Block) -> str:
    return f"Done. Block '{block.label}' now holds {len(block.value)} of {block.limit} characters."


@contextmanager
def _told_to_the_model() -> Generator[None]:
    """Turn errors that the model can correct into the result of its call; others fail as in any tool."""
    try:
        yield
    except (InvalidInput, NotFound, Conflict) as error:
        raise ToolException(f"Not done: {error}.") from error
