"""Replies that are HTTP errors, with OpenAI's error object and texts."""

import json
from typing import Any

from .script import Reply

TYPES = {429: "requests", 500: "server_error", 502: "server_error", 503: "server_error"}


def error(
    status: int,
    code: str | None = None,
    message: str = "The server had an error while processing your request.",
    headers: dict[str, str] | None = None,
    *,
    param: str | None = None,
    kind: str | None = None,
    **fields: Any,
) -> Reply:
    """Return an answer with this HTTP status and OpenAI's error object; `kind` is its `type`."""
    kind = kind or TYPES.get(status, "invalid_request_error")
    body = json.dumps(error_object(message, kind, code, param))
    return Reply(
        status=status, body=body, headers={"content-type": "application/json", **(headers or {})}, **fields
    )


def error_object(
    message: str, kind: str, code: str | None = None, param: str | None = None
) -> dict[str, Any]:
    """Return the object that OpenAI wraps around each error."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def not_json(status: int, body: str = "<html><body>Bad gateway</body></html>", **fields: Any) -> Reply:
    """Return what a proxy before the provider says: HTML, no error object."""
    return Reply(status=status, body=body, headers={"content-type": "text/html"}, **fields)


def bad_request(message: str = "Invalid value for 'temperature'.", **fields: Any) -> Reply:
    """Return a 400 that no retry helps."""
    return error(400, "invalid_value", message, **fields)


def context_too_long(limit: int = 128_000, used: int = 130_000, **fields: Any) -> Reply:
    """Return the 400 of a window that is too large, in tokens."""
    message = (
        f"This model's maximum context length is {limit} tokens. However, your messages resulted in {used} "
        "tokens. Please reduce the length of the messages."
    )
    return error(400, "context_length_exceeded", message, param="messages", **fields)


def invalid_key(key: str = "sk-wrong", **fields: Any) -> Reply:
    """Return the 401 of an unknown key."""
    shown = key if len(key) < 8 else f"{key[:4]}****{key[-4:]}"
    message = f"Incorrect API key provided: {shown}. You can find your API key at https://platform.openai.com/account/api-keys."
    return error(401, "invalid_api_key", message, **fields)


def unknown_model(model: str = "gpt-none", **fields: Any) -> Reply:
    """Return the 404 of a model that is not there."""
    message = f"The model `{model}` does not exist or you do not have access to it."
    return error(404, "model_not_found", message, **fields)


def rate_limited(retry_after: float | None = None, **fields: Any) -> Reply:
    """Return a 429, with `Retry-After` in seconds when given."""
    headers = {} if retry_after is None else {"retry-after": f"{retry_after:g}"}
    message = "Rate limit reached for requests. Please try again later."
    return error(429, "rate_limit_exceeded", message, headers, **fields)


def out_of_quota(**fields: Any) -> Reply:
    """Return the 429 that waiting does not cure."""
    message = "You exceeded your current quota, please check your plan and billing details."
    return error(429, "insufficient_quota", message, kind="insufficient_quota", **fields)


def server_error(**fields: Any) -> Reply:
    """Return a 500."""
    return error(500, **fields)


def overloaded(**fields: Any) -> Reply:
    """Return a 503."""
    return error(503, None, "The engine is currently overloaded, please try again later.", **fields)
