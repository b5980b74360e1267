"""What the documentation says of requests that are read by hand, since clients send them in many forms."""

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
            "description": "The whole history as the caller heard it. A reply that is shorter than it was "
            "sent was cut off there; one that is missing was not heard.",
        },
        "stream": {"type": "boolean"},
        "stream_options": {"type": "object", "properties": {"include_usage": {"type": "boolean"}}},
        "tools": {
            "type": "array",
            "items": {"type": "object"},
            "description": "Tools that the client runs itself, beside the agent's own.",
        },
        "tool_choice": {"description": "Of the client's tools, in the first step of the turn."},
        "side_call": {
            "type": "boolean",
            "description": "True to have the messages answered by themselves, beside the conversation: "
            "without prompt, tools and memory of the agent, and without being stored. False for a turn, "
            "whatever it looks like. The header `X-Voicegraph-Side-Call` says the same.",
        },
        "thread_id": {
            "type": "string",
            "description": "The conversation; the header `X-Thread-Id` says it too, and is in each response.",
        },
    },
}

CHAT: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": _BODY}}},
    "responses": {
        "200": {
            "description": "A chat completion, or its chunks as server-sent events that end in "
            "`data: [DONE]`. Also when the model fails: then an apology is spoken.",
            "headers": {"X-Thread-Id": {"schema": {"type": "string"}}},
            "content": {
                "application/json": {"schema": {"type": "object"}},
                "text/event-stream": {"schema": {"type": "string"}},
            },
        }
    },
}
