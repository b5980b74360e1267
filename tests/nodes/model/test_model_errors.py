"""Whatever goes wrong with a provider becomes an error that a turn understands, and quotes nobody."""

import json
from typing import Any

import httpx2
import openai
import pytest

from voicegraph.nodes.model.errors.model_errors import as_model_error, error_inside
from voicegraph.state.errors import (
    ContentFiltered,
    ContextTooLong,
    ModelError,
    ModelProtocolError,
    ModelRefused,
    ModelTimeout,
    ModelUnavailable,
    RequestRefused,
)

SECRET = "sk-12345"
REQUEST = httpx2.Request("POST", "https://api.example.com/v1/chat/completions")


def status_error(
    status: int, code: str | None = None, text: str = "no", **headers: str
) -> openai.APIStatusError:
    response = httpx2.Response(
        status, request=REQUEST, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )
    return openai.APIStatusError(f"{text} {SECRET}", response=response, body={"message": text, "code": code})


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (status_error(400), RequestRefused, "refused (HTTP 400): it does not accept the request"),
        (status_error(401, "invalid_api_key"), ModelRefused, "HTTP 401, invalid_api_key): check the key"),
        (status_error(403), ModelRefused, "the key may not use this model"),
        (status_error(404, "model_not_found"), ModelRefused, "there is no such model or address"),
        (status_error(422), RequestRefused, "HTTP 422"),
        (status_error(400, "invalid_api_key"), ModelRefused, "HTTP 400, invalid_api_key"),
        (status_error(400, None, "The model `m` does not exist"), ModelRefused, "HTTP 400"),
        (status_error(402), ModelRefused, "no credit"),
        (status_error(429, "insufficient_quota"), ModelRefused, "no credit"),
        (status_error(400, "content_filter"), ContentFiltered, "content filter"),
        (status_error(413), ContextTooLong, "HTTP 413"),
        (UnicodeEncodeError("utf-8", SECRET, 0, 1, SECRET), RequestRefused, "cannot be encoded"),
        (status_error(400, "context_length_exceeded"), ContextTooLong, "does not fit the model's context"),
        (status_error(400, None, "This model's maximum context length is 8"), ContextTooLong, "HTTP 400"),
        (status_error(413, None, "exceed_context_size_error"), ContextTooLong, "HTTP 413"),
        (status_error(500, "context_length_exceeded"), ContextTooLong, "HTTP 500"),
        (status_error(408), ModelUnavailable, "HTTP 408"),
        (status_error(409), ModelUnavailable, "HTTP 409"),
        (
            status_error(429, "rate_limit_exceeded"),
            ModelUnavailable,
            "not available (HTTP 429, rate_limit_exceeded)",
        ),
        (status_error(500), ModelUnavailable, "HTTP 500"),
        (status_error(503), ModelUnavailable, "HTTP 503"),
        (openai.APITimeoutError(REQUEST), ModelTimeout, "no answer in time"),
        (TimeoutError(SECRET), ModelTimeout, "no answer in time"),
        (httpx2.ReadTimeout(SECRET), ModelTimeout, "no answer in time"),
        (openai.APIConnectionError(message=SECRET, request=REQUEST), ModelUnavailable, "APIConnectionError"),
        (httpx2.ConnectError(SECRET), ModelUnavailable, "ConnectError"),
        (httpx2.RemoteProtocolError(SECRET), ModelUnavailable, "RemoteProtocolError"),
        (ConnectionResetError(SECRET), ModelUnavailable, "ConnectionResetError"),
        (openai.APIError(SECRET, REQUEST, body=None), ModelUnavailable, "inside its answer"),
        (json.JSONDecodeError(SECRET, SECRET, 0), ModelProtocolError, "not JSON"),
        (KeyError(SECRET), ModelProtocolError, "could not be read (KeyError)"),
    ],
    ids=lambda value: repr(value)[:40] if isinstance(value, Exception) else None,
)
def test_each_failure_has_its_kind_and_a_safe_text(
    error: Exception, kind: type[ModelError], text: str
) -> None:
    found = as_model_error(error, "openai:m")
    assert type(found) is kind
    assert text in str(found)
    assert str(found).startswith("openai:m: ")
    assert SECRET not in str(found)


@pytest.mark.parametrize("error", [ModelRefused("no"), ContextTooLong("long"), ModelTimeout("late")])
def test_an_error_that_is_understood_already_stays_the_same(error: ModelError) -> None:
    assert as_model_error(error, "openai:m") is error


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry_after": "2"}, 2.0),
        ({"retry_after": "0.5"}, 0.5),
        ({"retry_after_ms": "250", "retry_after": "1"}, 0.25),
        ({"retry_after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
    ],
)
def test_the_wait_that_a_provider_asks_for_is_kept(headers: Any, seconds: float | None) -> None:
    found = as_model_error(status_error(429, **headers), "openai:m")
    assert isinstance(found, ModelUnavailable)
    assert found.retry_after == seconds


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        (None, "the request exceeds the available context size", ContextTooLong),
        (400, "no", RequestRefused),
        ("401", "no", ModelRefused),
        (402, "no credit", ModelRefused),
        (429, "slow down", ModelUnavailable),
        (500, "CUDA out of memory", ModelUnavailable),
        ("invalid_api_key", "no", ModelRefused),
        ("content_filter", "no", ContentFiltered),
        ("InternalServerError", "no", ModelUnavailable),
        ({"odd": 1}, "no", ModelUnavailable),
    ],
)
def test_an_error_object_inside_an_answer_has_its_kind(
    code: object, text: str, kind: type[ModelError]
) -> None:
    found = error_inside("openai:m", code, f"{text} {SECRET}")
    assert type(found) is kind
    assert SECRET not in str(found)


def test_an_error_that_a_library_wraps_keeps_its_status() -> None:
    try:
        try:
            raise status_error(401)
        except openai.APIStatusError as cause:
            raise ValueError(SECRET) from cause
    except ValueError as error:
        assert type(as_model_error(error, "m")) is ModelRefused


def test_a_server_that_breaks_down_over_a_request_is_marked() -> None:
    found = as_model_error(status_error(500), "openai:m")
    assert isinstance(found, ModelUnavailable) and found.crashed
    late = as_model_error(status_error(503), "openai:m")
    assert isinstance(late, ModelUnavailable) and not late.crashed
