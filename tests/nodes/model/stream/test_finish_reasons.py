"""Why an answer ended, in the words of many servers."""

from typing import Any

import pytest

from voicegraph.nodes.model.stream.finish_reasons import FAILED, failure, finish_reason

MEANINGS: dict[str | None, list[Any]] = {
    None: [None, "", " ", "null", "NULL", "none", "None", "FINISH_REASON_UNSPECIFIED", 3, True, [], {}],
    "stop": ["stop", "STOP", "Stop", "end_turn", "stop_sequence", {"type": "stop", "matched": None}],
    "tool_calls": ["tool_calls", "tool_use", "function_call", "TOOL_CALL"],
    "length": [
        *("length", "max_tokens", "MAX_TOKENS", "max_output_tokens", "model_length", "max-tokens"),
        *("model_context_window_exceeded", "token_limit", "incomplete"),
    ],
    "content_filter": [
        *("content_filter", "content-filter", "SAFETY", "RECITATION", "PROHIBITED_CONTENT", "BLOCKLIST"),
        *("sensitive", "refusal", "guardrail_intervened", "SPII"),
    ],
    FAILED: [
        *("error", "ERROR", "network_error", "insufficient_system_resource", "abort", "aborted", "failed"),
        *("Failed", "cancelled", "timeout", "server_error", "MALFORMED_FUNCTION_CALL", "overloaded"),
        {"type": "abort", "message": "out of memory"},
    ],
}


@pytest.mark.parametrize(
    ("given", "meant"), [(given, meant) for meant, words in MEANINGS.items() for given in words], ids=str
)
def test_each_word_has_its_meaning(given: Any, meant: str | None) -> None:
    assert finish_reason(given) == meant


def test_a_reason_that_nobody_knows_is_an_end() -> None:
    assert finish_reason("eos_token") == "eos_token"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("network_error", "network_error"),
        ({"type": "abort", "message": "out of memory"}, "abort"),
        ("error: he said hello", None),
        ("stop", None),
        (None, None),
    ],
)
def test_the_word_for_a_failure_is_shown_and_no_sentence(given: Any, shown: str | None) -> None:
    assert failure(given) == shown
