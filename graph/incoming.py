"""Check and complete what a caller puts into the graph, before anything of it is kept."""

from collections.abc import Mapping
from typing import Any, cast
from uuid import uuid4

from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
    convert_to_messages,
)

from ..nodes.characters import whole_characters
from ..nodes.heard import UNHEARD
from ..nodes.limits import TurnLimits
from ..nodes.reply import BAD_ARGUMENTS, CREATED_AT, SPOKEN, acceptable_id, acceptable_name
from ..nodes.tools.results import OUTCOME
from ..state.errors import InvalidMessage
from ..state.schema import Turn, VoiceInput, new_turn
from .client_history import ClientHistory, is_history, read_history

_OURS = (CREATED_AT, SPOKEN, BAD_ARGUMENTS, UNHEARD, OUTCOME)
"""Keys that the steps write themselves: a client's would be taken for theirs."""


def turn_input(graph_input: object, limits: TurnLimits, now: float) -> VoiceInput:
    """Return the input of a new turn: words to be added, or a client's whole history to be reconciled.

    `graph_input` is `{"messages": [...]}` or `{"history": [...]}`; several messages, or those of LiveKit's
    adapter, are a history too. `client_tools` beside it are tools that the client runs itself, in OpenAI's
    form. `now` is in seconds since the epoch. Raises `InvalidMessage` when there is no message, or one is
    empty, too long or not a message.
    """
    fields: Mapping[str, Any] = cast(Any, graph_input) if isinstance(graph_input, Mapping) else {}
    turn = new_turn(str(uuid4()), now)
    if fields.get("client_tools"):
        turn["client_tools"] = list(fields["client_tools"])
    raw = fields.get("history")
    if raw is None:
        messages = incoming_messages(fields, limits, now)
        if not is_history(messages):
            turn["began_with"] = messages[0].id or ""
            return VoiceInput(messages=messages, turn=turn)
        raw = messages
    return _of_history(read_history(cast(Any, raw)), turn, limits)


def _of_history(history: ClientHistory, turn: Turn, limits: TurnLimits) -> VoiceInput:
    if not history.messages and not history.notes:
        raise InvalidMessage("there is no message: the history is empty")
    last = history.messages[-1] if history.messages else None
    if last is not None and last["role"] == "user":
        _check_length(last["text"], limits)
    if limits.client_instructions == "append":
        if history.notes:
            turn["client_instructions"] = "\n\n".join(history.notes)
        turn["instruction"] = history.note
    # Older ones are in the record, and not in the window either.
    return VoiceInput(messages=[], history=history.messages[-limits.message_buffer_limit :], turn=turn)


def incoming_messages(graph_input: object, limits: TurnLimits, now: float) -> list[AnyMessage]:
    """Return the messages of an input `{"messages": [...]}`, each with an id and its time.

    `now` is in seconds since the epoch. Raises `InvalidMessage` when there is none, or one is empty, too
    long or not a message.
    """
    fields: Mapping[str, Any] = cast(Any, graph_input) if isinstance(graph_input, Mapping) else {}
    raw = fields.get("messages")
    if raw is None:
        raise InvalidMessage('there is no message: give {"messages": [("user", "...")]}')
    try:
        messages = convert_to_messages(cast(list[Any], raw) if isinstance(raw, list) else [raw])
    except (ValueError, TypeError, NotImplementedError) as error:
        raise InvalidMessage(f"that is not a message: {type(error).__name__}") from error
    if not messages:
        raise InvalidMessage("there is no message: the list is empty")
    return [_complete(cast(AnyMessage, message), limits, now) for message in messages]


def _complete(message: AnyMessage, limits: TurnLimits, now: float) -> AnyMessage:
    if not isinstance(message, HumanMessage | AIMessage | SystemMessage | ToolMessage):
        raise InvalidMessage(f"a turn takes no message of type '{message.type}'")
    text = str(message.text)
    _check_length(text, limits)
    if isinstance(message, HumanMessage) and not text.strip():
        raise InvalidMessage("the message is empty: say something")
    foreign = {key: value for key, value in message.additional_kwargs.items() if key not in _OURS}
    extra = {**foreign, CREATED_AT: _time(message.additional_kwargs.get(CREATED_AT), now)}
    update: dict[str, Any] = {"id": message.id or str(uuid4()), "additional_kwargs": extra}
    if isinstance(message, AIMessage) and message.tool_calls:
        # An id that a provider refuses gets a new one; its result, if any, is mended then.
        update["tool_calls"] = [
            {**call, "name": acceptable_name(call["name"]), "id": acceptable_id(call["id"])}
            for call in message.tool_calls
        ]
    if isinstance(message.content, str):
        update["content"] = whole_characters(message.content)
    return message.model_copy(update=update)


def _check_length(text: str, limits: TurnLimits) -> None:
    if len(text) > limits.max_message_chars:
        raise InvalidMessage(
            f"the message has {len(text):,} characters, {limits.max_message_chars:,} are taken at most "
            "(setting max_message_chars)"
        )


def _time(told: object, now: float) -> float:
    """Return the time that a message brings, when it is one that has passed, else `now`."""
    return told if isinstance(told, int | float) and 0 <= told <= now else now
