"""The events of a side call's answer: the agent's model answers the client's own messages."""

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from langchain_core.messages import AnyMessage, SystemMessage

from ...nodes.replies.side_call import SideCall, answer_side_call
from ...nodes.turn.events import Event, ToolRequested
from ...nodes.window.client_messages import as_message
from ...state.agents.actors import Actor
from ...state.agents.agents import DEFAULT_AGENT
from ...state.errors import AgentNotFound, InvalidMessage
from ..resources import Resources
from .client_history import read_in_order
from .client_tools import LegalTools


async def side_events(
    resources: Resources,
    actor: Actor,
    agent: str,
    messages: Iterable[Any],
    legal: LegalTools,
    model_settings: Mapping[str, Any],
) -> AsyncGenerator[Event]:
    """Return the events of the answer. Raises `AgentNotFound`, and `InvalidMessage` without a message.

    Iterating them raises `ModelError` if no model answers.
    """
    settings = resources.settings
    model, agent_settings = None, {}
    try:
        owner = await resources.store.agents.get(actor, agent)
        model, agent_settings = owner.model, dict(owner.model_settings)
    except AgentNotFound:
        if agent != DEFAULT_AGENT:  # The default agent is created by its first turn.
            raise
    call = SideCall(
        messages=_messages(messages, resources.clock.now()),
        client_tools=legal.tools,
        client_settings=legal.with_legal_choice(model_settings),
        agent_settings=agent_settings,
        user=actor.user_id,
    )
    models = [resources.models.get(name) for name in (model, *settings.fallback_models)]
    return _with_own_names(answer_side_call(call, models, settings, resources.clock), legal)


def _messages(raw: Iterable[Any], now: float) -> list[AnyMessage]:
    messages: list[AnyMessage] = []
    for is_system, entry in read_in_order(raw):
        if is_system:
            messages += [SystemMessage(entry["text"])] if entry["text"].strip() else []
        elif (message := as_message(entry, (), now)) is not None:
            messages.append(message)
    if not messages:
        raise InvalidMessage("there is no message: the history is empty")
    return messages


async def _with_own_names(events: AsyncGenerator[Event], legal: LegalTools) -> AsyncGenerator[Event]:
    async with aclosing(events):
        async for event in events:
            if isinstance(event, ToolRequested):
                event = replace(event, name=legal.own_names.get(event.name, event.name))
            yield event
