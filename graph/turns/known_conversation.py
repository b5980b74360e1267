"""Known facts about a thread's conversation, to distinguish its client's side calls from turns."""

from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, ToolMessage
from langgraph.graph.state import CompiledStateGraph

from ...nodes.text.words import bare_words
from ...nodes.window.matching.items import our_items, their_items
from ..clients.side_call_rules import RECENTLY, Known
from ..resources import Resources
from .turn_config import config_of_key


async def known_conversation(
    graph: CompiledStateGraph[Any, Any, Any, Any], resources: Resources, thread_id: str
) -> Known | None:
    """Return the facts from the thread's state and running turns, `None` if nothing was said there.

    `thread_id` is the key of the thread. Raises `StorageError`.
    """
    for run in resources.threads.chain(thread_id):
        if run.kept:  # Its reply, which may hand the call over, is not in the last checkpoint yet.
            await run.done.wait()
    values = (await graph.aget_state(config_of_key(thread_id))).values
    window: Sequence[AnyMessage] = values.get("messages", ())
    running = resources.threads.chain(thread_id)
    items = our_items(window)
    for run in running:
        items += their_items(run.history)
    if not items and not running:
        return None
    turn = values.get("turn")
    prompts = [run.instructions for run in running] + ([turn.get("client_instructions", "")] if turn else [])
    appended = resources.settings.client_instructions == "append"
    return Known(
        caller=[bare_words(item.text) for item in items if item.role == "user"],
        replies=[item.words for item in items if item.role == "assistant"],
        prompt=prompts[0] if prompts and appended else None,
        recent=turn is None or resources.clock.now() - turn["started_at"] < RECENTLY,
        running=any(not run.kept for run in running),
        hands_over=_called_last(window),
    )


def _called_last(window: Sequence[AnyMessage]) -> bool:
    """Return whether the last reply called a tool and said nothing after it."""
    last = next((message for message in reversed(window) if not isinstance(message, ToolMessage)), None)
    return isinstance(last, AIMessage) and bool(last.tool_calls)
