"""Servers that refuse what others take, each with the words that it refuses it with."""

import json
from collections.abc import Callable
from typing import Any

from .failures import error
from .script import Reply

Rule = Callable[[dict[str, Any]], Reply | None]
"""Returns the refusal of a request's body, `None` when it is taken."""


def unprocessable(*fields: str) -> Reply:
    """Return a 422 as FastAPI gives it, which names the fields."""
    faults = [
        {"type": "extra_forbidden", "loc": ["body", field], "msg": "Extra inputs are not permitted"}
        for field in fields
    ]
    body = json.dumps({"object": "error", "message": {"detail": faults}, "type": "invalid_request_error"})
    return Reply(status=422, body=body, headers={"content-type": "application/json"})


def system_first(body: dict[str, Any]) -> Reply | None:
    """Refuse as the chat templates of Qwen 3.x do."""
    roles = [message["role"] for message in body["messages"]]
    return error(400, None, "System message must be at the beginning.") if "system" in roles[1:] else None


def alternating(body: dict[str, Any]) -> Reply | None:
    """Refuse as the chat templates of Gemma and of older Mistral and Llama models do."""
    roles = [message["role"] for message in body["messages"] if message["role"] not in ("system", "tool")]
    places = [role == ("user", "assistant")[place % 2] for place, role in enumerate(roles)]
    if all(places) or "tool" in [message["role"] for message in body["messages"]]:
        return None
    text = "Conversation roles must alternate user/assistant/user/assistant/..."
    return error(400, "template_error", f"Error rendering prompt with jinja template: {text}")


def mistral(body: dict[str, Any]) -> Reply | None:
    """Refuse as Mistral's platform does."""
    unknown = [name for name in ("user", "stream_options", "max_completion_tokens") if name in body]
    if unknown:
        return unprocessable(*unknown)
    roles = [message["role"] for message in body["messages"]]
    if roles[-1] not in ("user", "tool"):
        text = f"Expected last role User or Tool (or Assistant with prefix True) but got {roles[-1]}"
        return error(400, "3230", text)
    if ("tool", "user") in zip(roles, roles[1:], strict=False):
        return error(400, "3230", "Unexpected role 'user' after role 'tool'")
    return None


def without_fields(*fields: str, text: str = "Unrecognized request argument supplied: {}") -> Rule:
    """Return a rule that refuses these fields, one after the other."""

    def refuse(body: dict[str, Any]) -> Reply | None:
        named = next((field for field in fields if field in body), None)
        return None if named is None else error(400, None, text.format(named))

    return refuse


def mixed_strict(body: dict[str, Any]) -> Reply | None:
    """Refuse tools of which some are strict, as Cerebras does."""
    values = {bool(tool["function"].get("strict")) for tool in body.get("tools", ())}
    text = "Tools with mixed values for 'strict' are not allowed."
    return error(400, "wrong_api_format", text) if len(values) > 1 else None


def no_strict(body: dict[str, Any]) -> Reply | None:
    """Refuse the word `strict`, as several servers do."""
    if any("strict" in tool["function"] for tool in body.get("tools", ())):
        return error(
            400, "wrong_api_format", "'strict' is not supported in tool definitions.", param="strict"
        )
    return None


def no_tools(body: dict[str, Any]) -> Reply | None:
    """Refuse tools, as Ollama does for models without them."""
    name = "registry.example/library/gemma:2b does not support tools"
    return error(400, None, name) if body.get("tools") else None


def wants_back(read: Callable[[dict[str, Any]], bool], text: str) -> Rule:
    """Return a rule that refuses a reply with tool calls which `read` does not accept."""

    def refuse(body: dict[str, Any]) -> Reply | None:
        replies = [message for message in body["messages"] if message.get("tool_calls")]
        return None if all(map(read, replies)) else error(400, "INVALID_ARGUMENT", text)

    return refuse


def filtered(word: str, code: str | None = "content_filter", text: str = "") -> Rule:
    """Return a rule that refuses a prompt which holds `word`, as Azure's content filter does."""

    def refuse(body: dict[str, Any]) -> Reply | None:
        if word not in json.dumps(body["messages"], ensure_ascii=False):
            return None
        return error(400, code, text or "The prompt triggered Azure OpenAI's content management policy.")

    return refuse


def too_long(characters: int, refusal: Reply) -> Rule:
    """Return a rule that refuses conversations of more characters."""

    def refuse(body: dict[str, Any]) -> Reply | None:
        size = sum(len(str(message.get("content"))) for message in body["messages"])
        return refusal if size > characters else None

    return refuse


def text_only(body: dict[str, Any]) -> Reply | None:
    """Refuse contents that are no plain text."""
    if all(isinstance(message.get("content"), str | None) for message in body["messages"]):
        return None
    return error(400, None, "Input should be a valid string: messages.content must be a string")


def short_call_ids(body: dict[str, Any]) -> Reply | None:
    """Refuse ids of calls that are not nine letters and digits, as Mistral does."""
    for message in body["messages"]:
        for call in message.get("tool_calls") or ():
            if not (len(call["id"]) == 9 and call["id"].isalnum()):
                return error(400, "3280", "Tool call id must be a-z, A-Z, 0-9, with a length of 9.")
    return None


def silent(rule: Rule) -> Rule:
    """Return a rule that refuses the same without a word, as some gateways do."""

    def refuse(body: dict[str, Any]) -> Reply | None:
        return None if rule(body) is None else Reply(status=400, body="")

    return refuse


def following(answer: Callable[[dict[str, Any]], Reply], *rules: Rule) -> Callable[[dict[str, Any]], Reply]:
    """Return what a server with these rules answers: the first refusal, else `answer`."""

    def reply(body: dict[str, Any]) -> Reply:
        refusals = (rule(body) for rule in rules)
        return next((refusal for refusal in refusals if refusal is not None), None) or answer(body)

    return reply
