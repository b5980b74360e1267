"""The documentation of requests that are parsed by hand, since clients send them in many forms."""

from typing import Any

_MESSAGE: dict[str, Any] = {
    "type": "object",
    "required": ["role"],
    "properties": {
        "role": {"type": "string", "description": "user, assistant, system, developer or tool"},
        "content": {"description": "A text, or a list of parts with texts and pictures."},
    },
    "additionalProperties": True,
}

_BODY: dict[str, Any] = {
    "type": "object",
    "required": ["messages"],
    "additionalProperties": True,
    "properties": {
        "model": {"type": "string", "description": "Name or id of the agent."},
        "messages": {
            "type": "array",
            "minItems": 1,
            "items": _MESSAGE,
            "description": "The whole history as the caller heard it. A reply shorter than what was "
            "sent was cut off there; a missing one was not heard.",
        },
        "stream": {"type": "boolean"},
        "stream_options": {"type": "object", "properties": {"include_usage": {"type": "boolean"}}},
        "tools": {
            "type": "array",
            "items": {"type": "object"},
            "description": "Tools that the client runs itself, in addition to the agent's own.",
        },
        "tool_choice": {"description": "The choice among the client's tools, in the first step of the turn."},
        "side_call": {
            "type": "boolean",
            "description": "True to answer the messages on their own, outside the conversation: "
            "without the agent's prompt, tools and memory, and without storing them. False for a turn, "
            "whatever it looks like. The header `X-Voicegraph-Side-Call` does the same.",
        },
        "thread_id": {
            "type": "string",
            "description": "The conversation; the header `X-Thread-Id` does the same. Each response has it.",
        },
    },
}

CHAT: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": _BODY}}},
    "responses": {
        "200": {
            "description": "A chat completion, or its chunks as server-sent events that end in "
            "`data: [DONE]`. If the model fails, the reply is an apology.",
            "headers": {"X-Thread-Id": {"schema": {"type": "string"}}},
            "content": {
                "application/json": {"schema": {"type": "object"}},
                "text/event-stream": {"schema": {"type": "string"}},
            },
        }
    },
}
