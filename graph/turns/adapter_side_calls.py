"""Side calls of LiveKit's `LLMAdapter`, which arrive as turns but run outside the conversation.

A session summarizes, detects voicemail and so on through the same adapter. Only the messages of its requests
arrive, so their text must decide: see `side_call_rules`.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, cast

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from langgraph.graph.state import CompiledStateGraph

from ...nodes.text.words import bare_words
from ...nodes.turn.events import Event, Speech
from ...state.agents.thread_keys import actor_of_call, key_of_call
from ..clients.client_history import is_history
from ..clients.client_tools import legal_tools
from ..clients.content_parts import spoken_words
from ..clients.side_call_rules import LONGEST_TEXT, Asked, is_side_call, may_quote
from ..clients.side_events import side_events
from ..resources import Resources
from .known_conversation import known_conversation
from .stream_parts import modes_of, spoken_part

_MODES = {"custom", "messages"}


async def side_answer(
    graph: CompiledStateGraph[Any, Any, Any, Any],
    resources: Resources,
    graph_input: Any,
    call: Mapping[str, Any],
    options: Mapping[str, Any],
) -> AsyncGenerator[Any] | None:
    """Return the stream of a side call's answer, `None` if the input is a turn's.

    `call` is the configuration of the call, `options` are those of the stream. Raises `AgentNotFound` and
    `StorageError`; the stream raises `ModelError` if no model answers.
    """
    messages = _messages(graph_input)
    asked = _asked(messages)
    if asked is None or not _is_adapters(options):
        return None
    key, actor, agent = key_of_call(call), actor_of_call(call), str(call.get("agent") or "default")
    is_known = resources.known.owner_ids(key) is not None
    if not is_known and not any(map(may_quote, asked.texts)):
        return None  # The first turn of a call must not wait.
    if not is_side_call(asked, await known_conversation(graph, resources, key)):
        return None
    events = await side_events(resources, actor, agent, messages, legal_tools(()), {})
    return _stream(events, options)


def _messages(graph_input: Any) -> list[BaseMessage]:
    raw = cast(Mapping[str, Any], graph_input).get("messages") if isinstance(graph_input, Mapping) else None
    messages = cast(list[Any], raw) if isinstance(raw, list) else []
    return messages if all(isinstance(message, BaseMessage) for message in messages) else []


def _asked(messages: Sequence[BaseMessage]) -> Asked | None:
    """Return the properties of a request of the adapter, `None` for any other, or one with a history."""
    said = [message for message in messages if not isinstance(message, SystemMessage)]
    if len(said) != 1 or len(messages) < 2 or not isinstance(messages[0], SystemMessage):
        return None
    if not isinstance(said[0], HumanMessage) or not is_history(said):
        return None
    prompt, *others = [spoken_words(message.content) for message in messages]
    return Asked(
        streamed=True,
        prompt=prompt,
        caller=[bare_words(spoken_words(said[0].content))],
        texts=[text[:LONGEST_TEXT] for text in others],
    )


def _is_adapters(options: Mapping[str, Any]) -> bool:
    """Return whether the adapter asks for a stream with these options."""
    modes = modes_of(options)
    plain = not options.get("subgraphs") and "version" not in options
    return plain and bool(modes) and _MODES.issuperset(modes)


async def _stream(events: AsyncGenerator[Event], options: Mapping[str, Any]) -> AsyncGenerator[Any]:
    async with aclosing(events):
        async for event in events:
            yield event
            if isinstance(event, Speech) and (part := spoken_part(event.content, options)) is not None:
                yield part
