"""Validate and complete the input of the graph before anything is stored."""

from collections.abc import Mapping
from typing import Any, cast
from uuid import uuid4

from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolCall,
    ToolMessage,
    convert_to_messages,
)

from ...nodes.replies.reply import BAD_ARGUMENTS, CREATED_AT, SPOKEN
from ...nodes.text.characters import whole_characters
from ...nodes.text.plain_json import plain_json
from ...nodes.tools.names import legal_name
from ...nodes.tools.results.results import OUTCOME
from ...nodes.turn.limits import TurnLimits
from ...nodes.window.barge_in.heard import UNHEARD
from ...nodes.window.client_messages import speaker_name, stable_call_id
from ...state.errors import InvalidMessage, MessageTooLong
from ...state.schema import Turn, VoiceInput, new_turn
from .client_history import ClientHistory, is_history, read_history
from .client_settings import read_settings
from .client_tools import legal_tools, read_tools
from .content_parts import read_content, result_words, unsendable_part

_OURS = (CREATED_AT, SPOKEN, BAD_ARGUMENTS, UNHEARD, OUTCOME)
"""Keys that the steps write themselves: a client's would be mistaken for theirs."""


def turn_input(graph_input: object, limits: TurnLimits, now: float) -> VoiceInput:
    """Return the input of a new turn: messages to add, or a client's whole history to reconcile.

    `graph_input` is `{"messages": [...]}` or `{"history": [...]}`; several messages, or those of LiveKit's
    adapter, are a history too. `client_tools` are tools that the client runs itself, in OpenAI's format, and
    `client_settings` its model settings. `now` is in seconds since the epoch. Raises `InvalidMessage` if
    there is no message, or one is empty, too long, not a message, or cannot be sent.
    """
    fields: Mapping[str, Any] = cast(Any, graph_input) if isinstance(graph_input, Mapping) else {}
    turn = new_turn(str(uuid4()), now)
    _add_clients(turn, fields)
    raw = fields.get("history")
    if raw is None:
        raw = fields.get("messages")
        if not _is_conversation(raw):
            messages = _converted(fields)
            if not is_history(messages):
                complete = _complete(messages[0], limits, now)
                turn["began_with"] = complete.id or ""
                return VoiceInput(messages=[complete], turn=turn)
            raw = messages
        _check_content(cast(list[Any], raw)[-1])
    return _of_history(read_history(cast(Any, raw)), turn, limits)


def _is_conversation(raw: object) -> bool:
    """Return whether these are several messages with roles: a history, in a client's own format."""
    messages = cast(list[Any], raw) if isinstance(raw, list) else []
    return len(messages) > 1 and all(
        isinstance(message, BaseMessage) or (isinstance(message, Mapping) and "role" in message)
        for message in messages
    )


def _add_clients(turn: Turn, fields: Mapping[str, Any]) -> None:
    """Add the client's tools and model settings."""
    given = fields.get("client_settings")
    asked: Mapping[str, Any] = cast(Any, given) if isinstance(given, Mapping) else {}
    if asked and (settings := read_settings(asked)):
        turn["client_settings"] = settings
    if not (tools := fields.get("client_tools")):
        return
    legal = legal_tools(read_tools({**asked, "tools": list(tools)}))
    turn["client_tools"] = legal.tools
    if legal.own_names:
        turn["client_names"] = legal.own_names
    if "client_settings" in turn:
        turn["client_settings"] = legal.with_legal_choice(turn["client_settings"])


def _of_history(history: ClientHistory, turn: Turn, limits: TurnLimits) -> VoiceInput:
    if not history.messages and not history.notes:
        raise InvalidMessage("there is no message: the history is empty")
    last = history.messages[-1] if history.messages else None
    if last is not None and last["role"] == "user":
        _check_length(last["text"], limits)
    append = limits.client_instructions == "append"
    if notes := history.notes if append else history.results:
        turn["client_instructions"] = "\n\n".join(notes)
    turn["instruction"] = history.note if append else history.result
    # Older messages are in the record, and outside the window anyway.
    return VoiceInput(messages=[], history=history.messages[-limits.message_buffer_limit :], turn=turn)


def incoming_messages(graph_input: object, limits: TurnLimits, now: float) -> list[AnyMessage]:
    """Return the messages of an input `{"messages": [...]}`, each with an id and its time.

    `now` is in seconds since the epoch. Raises `InvalidMessage` if there is none, or one is empty, too long,
    not a message, or cannot be sent.
    """
    fields: Mapping[str, Any] = cast(Any, graph_input) if isinstance(graph_input, Mapping) else {}
    return [_complete(message, limits, now) for message in _converted(fields)]


def _converted(fields: Mapping[str, Any]) -> list[BaseMessage]:
    raw = fields.get("messages")
    if raw is None:
        raise InvalidMessage('there is no message: give {"messages": [("user", "...")]}')
    try:
        given = cast(list[Any], raw) if isinstance(raw, list) else [raw]
        messages = convert_to_messages(list(map(_with_plain_role, given)))
    except (ValueError, TypeError, NotImplementedError) as error:
        raise InvalidMessage(f"this is not a message: {type(error).__name__}") from error
    if not messages:
        raise InvalidMessage("there is no message: the list is empty")
    return messages


def _with_plain_role(raw: Any) -> Any:
    if not isinstance(raw, Mapping):
        return raw
    fields = cast(Mapping[str, Any], raw)
    role = fields.get("role")
    return {**fields, "role": role.strip().lower()} if isinstance(role, str) else fields


def _complete(message: BaseMessage, limits: TurnLimits, now: float) -> AnyMessage:
    if not isinstance(message, HumanMessage | AIMessage | SystemMessage | ToolMessage):
        raise InvalidMessage(f"a turn does not accept messages of type '{message.type}'")
    _check_content(message)
    content = read_content(message.content)
    _check_length(content.text, limits)
    if isinstance(message, HumanMessage) and not content.text.strip() and content.parts is None:
        raise InvalidMessage("the message is empty: say something")
    shown = content.parts or content.text
    foreign = {key: value for key, value in message.additional_kwargs.items() if key not in _OURS}
    extra = {**plain_json(foreign), CREATED_AT: _time(message.additional_kwargs.get(CREATED_AT), now)}
    update: dict[str, Any] = {"id": whole_characters(message.id or str(uuid4())), "additional_kwargs": extra}
    if isinstance(message, AIMessage):
        shown = plain_json(
            message.content
        )  # Its parts are in the provider's own format, which it accepts again.
        update["tool_calls"] = [_legal_call(call) for call in message.tool_calls]
    elif isinstance(message, ToolMessage):
        shown = result_words(message.content)
        update["tool_call_id"] = stable_call_id(message.tool_call_id)
    elif isinstance(message, HumanMessage) and message.name is not None:
        update["name"] = speaker_name(message.name)
    return cast(AnyMessage, message.model_copy(update={**update, "content": shown}))


def _legal_call(call: ToolCall) -> ToolCall:
    """Return a call whose name, id and arguments every provider accepts."""
    name, call_id = legal_name(call["name"]), stable_call_id(call["id"] or "", call["name"])
    return ToolCall(name=name, args=plain_json(call["args"]), id=call_id)


def _check_content(message: BaseMessage | Mapping[str, Any]) -> None:
    """Raise `InvalidMessage` for content that cannot be sent: it would stay in the window."""
    reason = unsendable_part(message.content if isinstance(message, BaseMessage) else message.get("content"))
    if reason is not None:
        raise InvalidMessage(f"the message cannot be sent: its {reason}")


def _check_length(text: str, limits: TurnLimits) -> None:
    if len(text) > limits.max_message_chars:
        raise MessageTooLong(
            f"the message has {len(text):,} characters, {limits.max_message_chars:,} are taken at most "
            "(setting max_message_chars)"
        )


def _time(told: object, now: float) -> float:
    """Return the message's own time if it is in the past, else `now`."""
    return told if isinstance(told, int | float) and 0 <= told <= now else now
