"""Distinguish side calls from turns, by properties of the request and its thread."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from ....nodes.text.words import bare_words
from ....nodes.window.matching.items import spoken_words
from ....state.agents.actors import Actor
from ....state.agents.thread_keys import thread_key
from ...clients.client_history import read_in_order
from ...clients.side_call_rules import (
    LONGEST_TEXT,
    Asked,
    Known,
    is_classifier,
    is_side_call,
    may_be_second_model,
    may_quote,
)
from ...turns.known_conversation import known_conversation
from ...turns.turn_graph import TurnGraph
from ..thread_lookup.thread_ids import known_thread, own_name
from .chat_request import ChatRequest
from .conversation_style import Style, Styles, first_prompt, has_history, is_special


class SideCalls:
    """Recognizes side calls. Nearly all requests are turns, which need no database query."""

    def __init__(self, graph: TurnGraph, styles: Styles) -> None:
        self._graph, self._styles = graph, styles

    async def include(self, actor: Actor, agent: str, request: ChatRequest) -> bool:
        """Return whether the request is a side call, as declared or as inferred.

        Raises `StorageError`.
        """
        if request.side_call is not None:
            return request.side_call
        if request.stream and not is_special(request) and has_history(request.messages):
            return False
        named = request.thread_id
        style = None if named is None else self._style(actor, agent, named)
        if not self._is_suspect(request, style):
            return False
        asked = as_asked(request)
        known = None if named is None else await self._known(actor, agent, named)
        if not is_side_call(asked, known):
            return False
        if style is not None and style.tells_history is None and may_be_second_model(asked, style.as_known()):
            # Believe one such request. A client that sends more of them sends only newest messages.
            style.tells_history = False
        return True

    def _style(self, actor: Actor, agent: str, named: str) -> Style | None:
        owns = self._graph.resources.known.owns
        names = (name for name in (own_name(actor, agent, named), named) if owns(actor, agent, name))
        return next((style for name in names if (style := self._styles.get(thread_key(actor, name)))), None)

    def _is_suspect(self, request: ChatRequest, style: Style | None) -> bool:
        """Return whether a request has any sign of a side call."""
        if is_special(request):
            # A client may want a tool call, or JSON, in all of its turns.
            same = style is not None and style.prompt in (None, first_prompt(request.messages))
            return not (same and request.stream and has_history(request.messages))
        shared = self._graph.resources.owner.is_shared
        in_one_piece = not request.stream and bool(style.streamed if style else shared)
        if in_one_piece or has_history(request.messages):
            return in_one_piece
        prompt = first_prompt(request.messages)
        if style is None and is_classifier(prompt):
            return True
        if any(map(_may_quote, request.messages[1 if prompt else 0 :])):
            return True
        if style is None or prompt in ("", style.prompt):
            return False
        return may_be_second_model(as_asked(request), style.as_known())

    async def _known(self, actor: Actor, agent: str, named: str) -> Known | None:
        """Return what is known about the named thread, `None` if nothing was said there."""
        thread_id = await known_thread(self._graph, actor, agent, named)
        if thread_id is None:
            return None
        known = await known_conversation(self._graph, self._graph.resources, thread_key(actor, thread_id))
        style = self._styles.get(thread_key(actor, thread_id))
        if known is None or style is None:  # Another process has served its turns.
            return known
        served = style.as_known()
        return replace(
            known,
            prompt=served.prompt,
            streamed=served.streamed,
            tells_history=served.tells_history,
            recent=served.recent,
        )


def as_asked(request: ChatRequest) -> Asked:
    """Return the properties of a request by which a side call is recognized."""
    entries = read_in_order(request.messages)
    prompt = first_prompt(request.messages)
    said = [entry for is_system, entry in entries if not is_system]
    notes = [entry["text"] for is_system, entry in entries if is_system]
    callers = [entry["text"] for entry in said if entry["role"] == "user"]
    replies = (spoken_words(entry["text"]) for entry in said if entry["role"] == "assistant")
    return Asked(
        streamed=request.stream,
        prompt=prompt,
        caller=[bare_words(text) for text in callers],
        replies=[words for words in replies if words],
        texts=[text[:LONGEST_TEXT] for text in (*callers, *notes[1 if prompt else 0 :])],
        json="response_format" in request.model_settings,
        forced="tool_choice" in request.model_settings and bool(request.client_tools),
        tools=bool(request.client_tools),
    )


def _may_quote(message: Any) -> bool:
    """Return whether a message may quote a conversation."""
    content = cast(Mapping[str, Any], message).get("content") if isinstance(message, Mapping) else None
    return not isinstance(content, str) or may_quote(content)
