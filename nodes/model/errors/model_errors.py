"""Map errors of providers, networks and chat models to `ModelError`s.

The messages name the status and the provider's error code, never its text, which may quote a key or the
caller. The cause stays attached for debugging.
"""

import json
from collections.abc import Mapping
from typing import Any

from ....state.errors import (
    ContentFiltered,
    ContextTooLong,
    ModelError,
    ModelProtocolError,
    ModelRefused,
    ModelTimeout,
    ModelUnavailable,
    RequestRefused,
)
from .refusal_words import concerns_access, concerns_length, concerns_policy

_REMEDIES = {
    401: "check the key (OPENAI_API_KEY)",
    402: "the account has no credit left",
    403: "the key may not use this model",
    404: "there is no such model or address: check the model's name and OPENAI_BASE_URL",
}
_NO_CREDIT = frozenset("insufficient_quota billing_hard_limit_reached insufficient_balance".split())
_CODES = {
    **dict.fromkeys(_NO_CREDIT, 402),
    "invalid_api_key": 401,
    "authentication_error": 401,
    "permission_error": 403,
    "model_not_found": 404,
}
_LONGEST_CODE = 64


def as_model_error(error: Exception, model: str) -> ModelError:
    """Return the `ModelError` for any exception raised while streaming from `model`."""
    if isinstance(error, ModelError):
        return error
    status = _status(error)
    if status is not None:
        code = getattr(error, "code", None) or getattr(error, "type", None)
        return refused_with(model, status, code, _words(error), _retry_after(error))
    kinds = _kinds(error)
    if kinds & {"TimeoutError", "TimeoutException", "APITimeoutError"}:
        return ModelTimeout(f"{model}: no answer in time")
    if kinds & {"OSError", "TransportError", "APIConnectionError"}:
        return ModelUnavailable(f"{model}: {_connection_fault(error)}")
    if kinds & {"UnicodeEncodeError", "JSONEncodeError"}:
        return RequestRefused(f"{model}: the request cannot be encoded ({type(error).__name__})")
    if isinstance(error, json.JSONDecodeError):
        return ModelProtocolError(f"{model}: sent a chunk that is not JSON")
    if "APIError" in kinds:
        return error_inside(model, getattr(error, "code", None), _words(error))
    return ModelProtocolError(f"{model}: the answer could not be read ({type(error).__name__})")


def _connection_fault(error: BaseException) -> str:
    """Return why the connection failed, with the variable that may be the cause."""
    cause: BaseException | None = error
    while cause is not None:
        if type(cause).__name__ == "ProxyFailed":
            return f"the connection through the proxy of {getattr(cause, 'variable', '?')} failed"
        if "CERTIFICATE_VERIFY_FAILED" in str(cause):
            return "its certificate is not trusted: name the right ones by SSL_CERT_FILE"
        cause = cause.__cause__
    return f"the connection failed ({type(error).__name__})"


def error_inside(model: str, code: object, text: str) -> ModelError:
    """Return the `ModelError` for an error object that came with status 200 or inside a stream.

    `code` is the object's own code (a number, a word or `None`), `text` its whole text, which is only
    searched for known wordings.
    """
    status = _as_status(code)
    if status is not None and status < 500:
        return refused_with(model, status, code, text)
    known = _by_words(f"{code} {text}", model, _detail(None, code))
    shown = f" ({_shown(code)})" if _shown(code) else ""
    return known or ModelUnavailable(f"{model}: reported an error inside its answer{shown}")


def refused_with(
    model: str, status: int, code: object, text: str, retry_after: float | None = None
) -> ModelError:
    """Return the `ModelError` for an HTTP status, the provider's error code and the text of its answer."""
    detail = _detail(status, code)
    if status == 402 or (isinstance(code, str) and code in _NO_CREDIT):
        return ModelRefused(f"{model}: refused ({detail}): {_REMEDIES[402]}")
    if status in (408, 409, 425, 429) or (status > 500 and status != 501):
        return ModelUnavailable(f"{model}: not available ({detail})", retry_after)
    if status == 413:
        return ContextTooLong(f"{model}: the conversation does not fit the model's context ({detail})")
    if status in (400, 403, 422, 451, 500):
        known = _by_words(f"{code} {text}", model, detail)
        if known is not None:
            return known
    if status >= 500:
        return ModelUnavailable(f"{model}: not available ({detail})", retry_after, crashed=True)
    if status in (400, 422) and not concerns_access(f"{code} {text}"):
        return RequestRefused(f"{model}: refused ({detail}): it does not accept the request", words=text)
    remedy = _REMEDIES.get(status, "it does not accept the request")
    return ModelRefused(f"{model}: refused ({detail}): {remedy}")


def _by_words(words: str, model: str, detail: str) -> ModelError | None:
    if concerns_length(words):
        return ContextTooLong(f"{model}: the conversation does not fit the model's context ({detail})")
    if concerns_policy(words):
        return ContentFiltered(f"{model}: the provider's content filter refused the words ({detail})")
    return None


def _status(error: BaseException) -> int | None:
    """Return the HTTP status of any SDK's error; several wrap the error that has it."""
    response = getattr(error, "response", None)
    for status in (
        getattr(error, "status_code", None),
        getattr(error, "code", None),
        getattr(response, "status_code", None),
    ):
        if isinstance(status, int) and 400 <= status < 600:
            return status
    return None if error.__cause__ is None else _status(error.__cause__)


def _as_status(code: object) -> int | None:
    """Return the status that corresponds to an error's own code."""
    if isinstance(code, str):
        code = int(code) if code.isascii() and code.isdecimal() and len(code) == 3 else _CODES.get(code)
    return code if isinstance(code, int) and 400 <= code < 600 else None


def _words(error: BaseException) -> str:
    """Return the text of an error and its cause, for searching only."""
    cause = "" if error.__cause__ is None else _words(error.__cause__)
    return f"{error} {getattr(error, 'body', '')} {cause}"


def _detail(status: int | None, code: object) -> str:
    parts = [f"HTTP {status}" if status else "", _shown(code)]
    return ", ".join(part for part in parts if part) or "inside its answer"


def _shown(code: object) -> str:
    """Return a provider's code if it is a number or a single word, never a sentence."""
    text = str(code) if isinstance(code, str | int) else ""
    return text if len(text) <= _LONGEST_CODE and not any(map(str.isspace, text)) else ""


def _retry_after(error: Exception) -> float | None:
    """Return the seconds of the `Retry-After` header (RFC 9110, 10.2.3; dates are not used by providers)."""
    headers: Mapping[str, Any] = getattr(getattr(error, "response", None), "headers", None) or {}
    try:
        milliseconds = headers.get("retry-after-ms")
        return float(milliseconds) / 1000 if milliseconds else float(headers["retry-after"])
    except (KeyError, ValueError):
        return None


def _kinds(error: Exception) -> set[str]:
    """Return the names of `error`'s classes, so that SDKs and HTTP clients need not be imported."""
    return {kind.__name__ for kind in type(error).__mro__}
