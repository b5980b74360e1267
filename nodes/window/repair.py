"""Repair a window after a crash or a hard cancel, so that every provider accepts it.

Each tool call is followed by exactly one result, in the order of the calls, and no result stands alone.
"""

from collections.abc import Callable, Sequence

from langchain_core.messages import AIMessage, AnyMessage, ToolCall, ToolMessage

from ..tools.results.results import OUTCOME

Fate = Callable[[AIMessage, ToolCall], ToolMessage]
"""Returns the result for a call that has none."""


def unanswered(messages: Sequence[AnyMessage]) -> list[AIMessage]:
    """Return the replies with a call that has no result, or one that says it is still running."""
    settled = {
        message.tool_call_id
        for message in messages
        if isinstance(message, ToolMessage) and message.additional_kwargs.get(OUTCOME) != "running"
    }
    return [
        message
        for message in messages
        if isinstance(message, AIMessage) and any(call["id"] not in settled for call in message.tool_calls)
    ]


def has_orphans(messages: Sequence[AnyMessage]) -> bool:
    """Return whether a tool result does not follow its call: a client may have inserted one."""
    awaited: set[str | None] = set()
    for message in messages:
        if isinstance(message, ToolMessage):
            if message.tool_call_id not in awaited:
                return True
            awaited.discard(message.tool_call_id)
        else:
            awaited = {call["id"] for call in message.tool_calls} if isinstance(message, AIMessage) else set()
    return False


def repair(messages: Sequence[AnyMessage], fate: Fate) -> list[AnyMessage]:
    """Return the window with every call answered once and in order; `fate` gives missing results.

    A valid window is returned unchanged.
    """
    results = {message.tool_call_id: message for message in messages if isinstance(message, ToolMessage)}
    mended: list[AnyMessage] = []
    for message in messages:
        if isinstance(message, ToolMessage):
            continue
        mended.append(message)
        if isinstance(message, AIMessage):
            for call in message.tool_calls:
                result = results.pop(call["id"] or "", None)
                if result is None or result.additional_kwargs.get(OUTCOME) == "running":
                    result = fate(message, call)
                mended.append(result)
    return mended
