"""The words of a refusal are understood, whichever server chose them."""

import pytest

from voicegraph.nodes.model.errors.refusal_words import (
    concerns_access,
    concerns_length,
    concerns_order,
    concerns_policy,
    is_unknown_field,
    named_fields,
)

TOO_LONG = {
    "OpenAI": "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000.",
    "OpenAI, newer": "Your input exceeds the context window of this model. Please adjust your input.",
    "Anthropic": "prompt is too long: 210000 tokens > 200000 maximum",
    "Gemini": "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
    "xAI": "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
    "vLLM": "The decoder prompt (length 9000) is longer than the maximum model length of 8192.",
    "vLLM, older": "You passed 9000 input tokens. However, the model's context length is 8192.",
    "LM Studio": "The number of tokens to keep from the initial prompt is greater than the context length.",
    "Groq": "Please reduce the length of the messages or completion.",
    "llama.cpp": "the request exceeds the available context size, try increasing it",
    "Mistral": "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 context",
    "TGI": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4097",
    "TGI, newer": "Input validation error: `inputs` must have less than 1024 tokens. Given: 2000",
    "Bedrock": "Input is too long for requested model.",
    "Cohere": "too many tokens: size limit exceeded by 100 tokens",
    "MiniMax": "invalid params, context window exceeds limit (2013)",
    "Moonshot": "Your request exceeded model token limit: 262144 (requested: 300000)",
    "Copilot": "prompt token count of 130000 exceeds the limit of 128000",
    "Zhipu": "Prompt exceeds max length",
    "DashScope": "Range of input length should be [1, 129024]",
    "SGLang": "Requested token count exceeds the model's maximum context length of 8192 tokens.",
    "OpenRouter": "This endpoint's maximum context length is 128000 tokens. You requested 150000.",
    "Ollama": "prompt too long; exceeded max context length by 4 tokens",
    "Together": "The input (9000 tokens) is longer than the model's context length (8192 tokens).",
    "Cloudflare": "The estimated number of input and output tokens (9000) exceeded this context window.",
    "a code alone": "context_length_exceeded",
    "another code": "exceed_context_size_error",
}
OTHER_REFUSALS = {
    "a long id": "Invalid 'messages[2].tool_calls[0].id': string too long. Expected maximum length 40.",
    "a long answer": "max_tokens is too large: 5000. This model supports at most 4096 completion tokens.",
    "a wrong role": "Conversation roles must alternate user/assistant/user/assistant/...",
    "a system message": "System message must be at the beginning.",
    "an unknown field": "Unrecognized request argument supplied: user",
    "a bad picture": "Failed to download image from the provided URL.",
    "nothing": "Bad Request",
}
FILTERED = {
    "Azure": "Filtered due to the prompt triggering Azure OpenAI's content management policy.",
    "Azure's code": "content_filter",
    "DashScope": "data_inspection_failed: Input data may contain inappropriate content.",
    "DeepSeek": "Content Exists Risk",
    "OpenAI": "Your request was flagged as potentially violating our usage policy.",
    "OpenRouter": "Your chosen model requires moderation and your input was flagged.",
    "Gemini": "The prompt was blocked due to safety reasons: PROHIBITED_CONTENT",
    "Bedrock": "Output blocked by guardrail",
    "Zhipu": "The input may contain sensitive content",
    "OpenAI, pictures": "Your request was rejected as a result of our safety system.",
}


@pytest.mark.parametrize("server", TOO_LONG)
def test_a_context_that_is_too_long_is_understood(server: str) -> None:
    assert concerns_length(TOO_LONG[server])


@pytest.mark.parametrize("what", [*OTHER_REFUSALS, *FILTERED])
def test_other_refusals_do_not_concern_the_length(what: str) -> None:
    assert not concerns_length((OTHER_REFUSALS | FILTERED)[what])


@pytest.mark.parametrize("server", FILTERED)
def test_a_content_filter_is_understood(server: str) -> None:
    assert concerns_policy(FILTERED[server])


@pytest.mark.parametrize("what", [*OTHER_REFUSALS, *TOO_LONG])
def test_other_refusals_are_no_content_filter(what: str) -> None:
    assert not concerns_policy((OTHER_REFUSALS | TOO_LONG)[what])


@pytest.mark.parametrize(
    "words",
    [
        "API key not valid. Please pass a valid API key.",
        "The model `x` does not exist or you do not have access to it.",
        "invalid model name passed in model=x",
        "Unknown model: x",
    ],
)
def test_a_wrong_key_or_model_is_understood(words: str) -> None:
    assert concerns_access(words)


@pytest.mark.parametrize(
    "words",
    [
        "System message must be at the beginning.",
        "Conversation roles must alternate user/assistant/user/assistant/...",
        "After the optional system message, conversation roles must alternate user/assistant",
        "Expected last role User or Tool (or Assistant with prefix True) for serving but got assistant",
        "Unexpected role 'user' after role 'tool'",
        "System role not supported",
        "Only one system message is supported",
        "messages: roles must alternate between user and assistant",
        "No user query found in messages.",
        "first message must use the user role",
        "Error rendering prompt with jinja template",
        "This model does not support assistant message prefill.",
    ],
)
def test_a_refused_order_of_roles_is_understood(words: str) -> None:
    assert concerns_order(words)


SENT = [
    "user",
    "stream_options",
    "tools",
    "strict",
    "temperature",
    "stop",
    "seed",
    "name",
    "reasoning_content",
]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (
            "{'detail': [{'type': 'extra_forbidden', 'loc': ['body', 'stream_options'], 'msg': 'Extra'}, "
            "{'type': 'extra_forbidden', 'loc': ['body', 'user'], 'msg': 'Extra inputs are not permitted'}]}",
            {"stream_options", "user"},
        ),
        (
            '{"loc": ["body", "tools", 0, "function", "strict"], "msg": "Extra inputs are not permitted"}',
            {"tools", "strict"},
        ),
        ("{'message': 'Unsupported value', 'param': 'temperature'}", {"temperature"}),
        ("{'param': 'messages[1].name'}", {"name"}),
        ("Unrecognized request argument supplied: user", {"user"}),
        ("Extra inputs are not permitted, field: 'user'", {"user"}),
        ("property 'messages.2.reasoning_content' is unsupported", {"reasoning_content"}),
        ("`stop` is not supported by this model", {"stop"}),
        ("seed is not supported", {"seed"}),
        ("Tools with mixed values for 'strict' are not allowed.", {"strict"}),
        ("unknown field `stream_options`, expected one of `model`, `messages`", {"stream_options"}),
        ("Unexpected role 'assistant' after role 'tool'", set[str]()),
        ("Bad Request", set[str]()),
        ("please stop sending such names to the user", set[str]()),
    ],
)
def test_the_fields_that_a_refusal_names_are_found(words: str, named: set[str]) -> None:
    assert named_fields(words, SENT) == named


def test_a_field_that_is_unknown_differs_from_a_value_that_is_wrong() -> None:
    assert is_unknown_field("Unrecognized request argument supplied: user")
    assert is_unknown_field("Extra inputs are not permitted")
    assert not is_unknown_field("temperature must be between 0 and 2")
