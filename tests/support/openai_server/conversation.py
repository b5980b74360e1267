"""What OpenAI accepts as a conversation, with the texts that it refuses others with."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .tool_schemas import EMPTY_ARRAY, NAME, validate_tools

ROLES = ("system", "assistant", "user", "function", "tool", "developer")
SENDER_NAME = re.compile(r"[^\s<|\\/>]{1,64}")
LONGEST_ID = 40

Message = Mapping[str, Any]


def validate_messages(messages: Sequence[Message]) -> list[str]:
    """Return what OpenAI would refuse in this conversation, in order; an empty list: it is accepted.

    Stricter than OpenAI in two points, which other providers refuse: a user message must say something, and
    an assistant message needs text or tool calls.
    """
    if not messages:
        return [EMPTY_ARRAY.format("messages")]
    items: Sequence[object] = messages  # as they come over the wire
    if wrong := [at for at, item in enumerate(items) if not isinstance(item, Mapping)]:
        return [f"Invalid type for 'messages[{wrong[0]}]': expected an object."]
    violations: list[str] = []
    for at, message in enumerate(messages):
        violations += _check_message(message, f"messages[{at}]")
    return violations + _check_pairs(messages)


def validate_request(body: Mapping[str, Any]) -> list[str]:
    """Return what OpenAI would refuse in the body of a chat completion request."""
    violations: list[str] = []
    if not isinstance(body.get("model"), str) or not body["model"]:
        violations.append("you must provide a model parameter")
    if not isinstance(body.get("messages"), list):
        return [*violations, "Missing required parameter: 'messages'."]
    violations += validate_messages(body["messages"])
    tools = body.get("tools")
    if tools is not None:
        violations += validate_tools(tools)
    else:
        violations += [
            f"Invalid value for '{name}': '{name}' is only allowed when 'tools' are specified."
            for name in ("tool_choice", "parallel_tool_calls")
            if body.get(name) is not None
        ]
    if body.get("stream_options") is not None and not body.get("stream"):
        violations.append("The 'stream_options' parameter is only allowed when 'stream' is enabled.")
    return violations


def _check_message(message: Message, where: str) -> list[str]:
    role, content = message.get("role"), message.get("content")
    if role not in ROLES:
        supported = ", ".join(f"'{known}'" for known in ROLES)
        return [f"Invalid value: '{role}'. Supported values are: {supported}. ({where}.role)"]
    violations: list[str] = []
    name = message.get("name")
    if name is not None and not (isinstance(name, str) and SENDER_NAME.fullmatch(name)):
        violations.append(f"Invalid '{where}.name': string does not match pattern '^[^\\s<|\\\\/>]+$'.")
    if role == "assistant":
        return violations + _check_assistant(message, where)
    if "tool_calls" in message:
        violations.append(f"Unknown parameter: '{where}.tool_calls' (role '{role}').")
    if not isinstance(content, str | list):
        got = "null" if content is None else type(content).__name__
        violations.append(
            f"Invalid type for '{where}.content': expected one of a string or array of objects, "
            f"but got {got} instead."
        )
    elif role == "user" and not (content.strip() if isinstance(content, str) else content):
        violations.append(f"Invalid '{where}.content': a user message must not be empty.")
    if role == "tool" and not (isinstance(message.get("tool_call_id"), str) and message["tool_call_id"]):
        violations.append(f"Missing required parameter: '{where}.tool_call_id'.")
    return violations


def _check_assistant(message: Message, where: str) -> list[str]:
    content, calls = message.get("content"), message.get("tool_calls")
    violations: list[str] = []
    if content is not None and not isinstance(content, str | list):
        got = type(content).__name__
        violations.append(
            f"Invalid type for '{where}.content': expected a string or array of objects, but got {got}."
        )
    if calls is None:
        if not content and not message.get("refusal"):
            violations.append(
                f"Invalid value for '{where}.content': expected a string, got null or an empty one."
            )
        return violations
    if not isinstance(calls, list) or not calls:
        return [*violations, EMPTY_ARRAY.format(f"{where}.tool_calls")]
    seen: set[str] = set()
    for at, call in enumerate(calls):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        violations += _check_call(call, f"{where}.tool_calls[{at}]", seen)  # pyright: ignore[reportUnknownArgumentType]
    return violations


def _check_call(call: Mapping[str, Any], where: str, seen: set[str]) -> list[str]:
    violations: list[str] = []
    identity, function = call.get("id"), call.get("function") or {}
    if not isinstance(identity, str) or not identity:
        violations.append(f"Missing required parameter: '{where}.id'.")
    elif len(identity) > LONGEST_ID:
        violations.append(
            f"Invalid '{where}.id': string too long. Expected a string with maximum length {LONGEST_ID}, "
            f"but got a string with length {len(identity)} instead."
        )
    elif identity in seen:
        violations.append(f"Duplicate value for 'tool_call_id' of '{identity}' in '{where}'.")
    else:
        seen.add(identity)
    if call.get("type") != "function":
        violations.append(
            f"Invalid value: '{call.get('type')}'. Supported values are: 'function'. ({where}.type)"
        )
    name = function.get("name")
    if not (isinstance(name, str) and NAME.fullmatch(name)):
        violations.append(
            f"Invalid '{where}.function.name': string does not match pattern. "
            "Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
        )
    if not isinstance(function.get("arguments"), str):
        violations.append(f"Invalid type for '{where}.function.arguments': expected a string.")
    return violations


def _check_pairs(messages: Sequence[Message]) -> list[str]:
    violations: list[str] = []
    open_ids: list[str] = []
    for at, message in enumerate([*messages, {}]):  # the empty one closes the last message's calls
        if message.get("role") == "tool":
            identity = message.get("tool_call_id")
            if identity in open_ids:
                open_ids.remove(identity)
            else:
                violations.append(
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message "
                    f"with 'tool_calls'. (messages[{at}], tool_call_id '{identity}')"
                )
            continue
        if open_ids:
            violations.append(
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
                "'tool_call_id'. The following tool_call_ids did not have response messages: "
                + ", ".join(open_ids)
            )
        calls = message.get("tool_calls") or [] if message.get("role") == "assistant" else []
        open_ids = list(dict.fromkeys(str(call.get("id")) for call in calls))
    return violations
