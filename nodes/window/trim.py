"""Trim the window at the start of a user's turn, so that a tool call never loses its result."""

from collections.abc import Sequence

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage


def trim(
    messages: Sequence[AnyMessage], *, limit: int, minimum: int
) -> tuple[list[AnyMessage], list[AnyMessage]]:
    """Return `(evicted, kept)`, both in order; `kept` holds at most `limit` messages.

    Nothing is evicted while the window fits. Over the limit it is trimmed to the longest run of whole turns
    of at most `minimum` messages, so that the provider's prompt cache is rarely invalidated. If the last turn
    alone is longer, its oldest tool steps are evicted, each call with its results, until it fits `limit`.
    """
    window = list(messages)
    if len(window) <= limit:
        return [], window
    starts = turn_starts(window)
    if not starts:
        return _shorten([], window, limit)
    cut = next((start for start in starts if len(window) - start <= minimum), starts[-1])
    return _shorten(window[:cut], window[cut:], limit)


def turn_starts(messages: Sequence[AnyMessage]) -> list[int]:
    """Return the positions of the user messages that start a turn (those not following another one)."""
    return [
        index
        for index, message in enumerate(messages)
        if isinstance(message, HumanMessage) and not (index and isinstance(messages[index - 1], HumanMessage))
    ]


def _shorten(
    evicted: list[AnyMessage], turn: list[AnyMessage], limit: int
) -> tuple[list[AnyMessage], list[AnyMessage]]:
    """Drop the oldest steps after the user's message until the turn fits `limit`."""
    head = 0
    while head < len(turn) and isinstance(turn[head], HumanMessage):
        head += 1
    opening, rest = turn[:head], turn[head:]
    dropped: list[AnyMessage] = []
    while rest and len(opening) + len(rest) > limit:
        size = _step_size(rest)
        if size == len(rest) and isinstance(rest[0], AIMessage) and not rest[0].tool_calls:
            break
        dropped, rest = [*dropped, *rest[:size]], rest[size:]
    spare = max(0, len(opening) + len(rest) - limit)
    return [*evicted, *opening[:spare], *dropped], [*opening[spare:], *rest]


def _step_size(messages: Sequence[AnyMessage]) -> int:
    """Return the number of messages of the first step: one, plus the tool results after it."""
    size = 1
    while size < len(messages) and isinstance(messages[size], ToolMessage):
        size += 1
    return size
