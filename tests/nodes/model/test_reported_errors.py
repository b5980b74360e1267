"""Objects inside an answer that are errors, and those that are not."""

from typing import Any

import pytest

from voicegraph.nodes.model.errors.reported_errors import is_error_event, reported_error


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"error": {"message": "no", "code": 402}}, 402),
        ({"error": {"message": "no", "type": "insufficient_quota", "code": None}}, "insufficient_quota"),
        ({"error": {"code": 400, "status": "INVALID_ARGUMENT"}}, 400),
        ({"error": "Unexpected endpoint"}, None),
        ({"error": {"message": "no", "type": "server_error"}, "choices": [{"delta": {}}]}, "server_error"),
        ({"error": True, "code": 503}, 503),
        ({"error": [{"code": 429}]}, 429),
        ({"errors": ["no"]}, None),
        ({"object": "error", "message": "CUDA out of memory", "code": 500}, 500),
        ({"type": "error", "error": {"type": "overloaded_error"}}, "overloaded_error"),
        ({"detail": "Internal Server Error"}, None),
        ({"detail": [{"loc": ["body"], "msg": "no"}]}, None),
        ({"message": "no", "code": "40001"}, "40001"),
        ({"message": "Internal server error"}, None),
        ({"code": 50000, "msg": "no"}, 50000),
        ({"error_code": 336003, "error_msg": "no"}, 336003),
        ({"title": "Bad Gateway", "status": 502}, 502),
        ({"choices": None, "base_resp": {"status_code": 1002, "status_msg": "no"}}, 1002),
        ({"choices": [], "detail": "no"}, None),
    ],
    ids=str,
)
def test_an_error_is_found_with_its_code(fields: Any, code: Any) -> None:
    found = reported_error(fields)
    assert found is not None
    assert found.code == code


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"error": None, "choices": []},
        {"error": {}, "message": None},
        {"error": {"code": 0, "message": ""}},
        {"prompt_filter_results": []},
        {"choices": [], "usage": {"prompt_tokens": 3}},
        {"choices": [{"delta": {}}], "detail": "x", "message": "x"},
        {"type": "ping", "message": "still here"},
        {"status": "processing", "message": "still here"},
        {"type": "message_start", "message": {"role": "assistant"}},
        {"choices": [], "base_resp": {"status_code": 0, "status_msg": "success"}},
        {"object": "chat.completion.chunk", "message": "x"},
    ],
    ids=str,
)
def test_other_objects_are_none(fields: Any) -> None:
    assert reported_error(fields) is None


def test_the_name_of_an_event_may_say_that_it_is_an_error() -> None:
    assert reported_error({"message": "no"}, "error") is not None
    assert all(map(is_error_event, ["error", "Error", "response.failed", "exception", "server_error"]))
    assert not any(map(is_error_event, ["message", "chunk", "ping", "done", ""]))
