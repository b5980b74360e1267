"""A server on loopback that speaks OpenAI's chat completions over real HTTP, and misbehaves by script."""

from .conversation import validate_messages, validate_request
from .failures import (
    bad_request,
    context_too_long,
    error,
    invalid_key,
    not_json,
    out_of_quota,
    overloaded,
    rate_limited,
    server_error,
    unknown_model,
)
from .loading import Script, reply_from_json, script_from_json
from .recording import Recorded
from .script import Answer, Reply, ToolCall, Usage, paced, text, tool_calls
from .server import OpenAIServer
from .tool_schemas import validate_strict_schema, validate_tools
from .watched import Gate

__all__ = [
    "Answer",
    "Gate",
    "OpenAIServer",
    "Recorded",
    "Reply",
    "Script",
    "ToolCall",
    "Usage",
    "bad_request",
    "context_too_long",
    "error",
    "invalid_key",
    "not_json",
    "out_of_quota",
    "overloaded",
    "paced",
    "rate_limited",
    "reply_from_json",
    "script_from_json",
    "server_error",
    "text",
    "tool_calls",
    "unknown_model",
    "validate_messages",
    "validate_request",
    "validate_strict_schema",
    "validate_tools",
]
