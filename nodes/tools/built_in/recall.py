"""The built-in tool with which the model recalls earlier conversations; every agent has it."""

from typing import Annotated

from langchain_core.tools import ToolException

from ....state.errors import InvalidInput
from ..registry import current_call


async def recall_memory(
    query: Annotated[str, "What to search for, in words that may have been used."],
    start_minutes_ago: Annotated[int | None, "Only messages newer than this many minutes."] = None,
    end_minutes_ago: Annotated[int | None, "Only messages older than this many minutes."] = None,
) -> str:
    """Recall what was said in earlier conversations with the user, however long ago."""
    recall = current_call().recall
    if recall is None:
        raise ToolException("There is no memory outside a turn.")
    try:
        return await recall(query, start_minutes_ago, end_minutes_ago)
    except InvalidInput as error:
        raise ToolException(f"Not done: {error}.") from error
