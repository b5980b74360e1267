"""The built-in tool with which the model recalls earlier conversations; every agent has it."""

from typing import Annotated

from langchain_core.tools import ToolException

from ....state.errors import InvalidInput
from ..registry import current_call


async def recall_memory(
    query: Annotated[str, "What to look for, in the words in which it may have been said."],
    start_minutes_ago: Annotated[int | None, "Only what was said since so many minutes ago."] = None,
    end_minutes_ago: Annotated[int | None, "Only what was said before so many minutes ago."] = None,
) -> str:
    """Remember what was said in earlier conversations with the user, however long ago."""
    recall = current_call().recall
    if recall is None:
        raise ToolException("There is no memory outside a turn.")
    try:
        return await recall(query, start_minutes_ago, end_minutes_ago)
    except InvalidInput as error:
        raise ToolException(f"Not done: {error}.") from error
