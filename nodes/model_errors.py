"""Turn what a provider, a network or a chat model raises into the errors that a turn understands.

The messages name the status and the provider's error code, never its text: that may quote a key or what
the caller said. The cause stays attached for those who debug.
"""

import json
from collections.abc import Mapping
from typing import Any

from ..state.errors import (
    ContextTooLong,
    ModelError,
    ModelProtocolError,
    ModelRefused,
    ModelTimeout,
    ModelUnavailable,
)

_TOO_LONG = ("context_length_exceeded", "exceed_context_size", "maximum context length", "context size")
_REMEDIES = {
    401: "check the key (OPENAI_API_KEY)",
    403: "the key may not use this model",
    404: "there is no such model or address: check the model's name and OPENAI_BASE_URL",
}


def as_model_error(error: Exception, model: str) -> ModelError:
    """Return the `ModelError` for any exception that streaming from `model` raised."""
    if isinstance(error, ModelError):
        return error
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        return _from_status(error, status, model)
    kinds = _kinds(error)
    if kinds & {"TimeoutError", "TimeoutException", "APITimeoutError"}:
        return ModelTimeout(f"{model}: no answer in time")
    if kinds & {"OSError", "TransportError", "APIConnectionError"}:
        return ModelUnavailable(f"{model}: the connection failed ({type(error).__name__})")
    if isinstance(error, json.JSONDecodeError):
        return ModelProtocolError(f"{model}: sent a chunk that is not JSON")
    if "APIError" in kinds:
        return ModelUnavailable(f"{model}: reported an error inside its answer")
    return ModelProtocolError(f"{model}: the answer could not be read ({type(error).__name__})")


def _from_status(error: Exception, status: int, model: str) -> ModelError:
    code = getattr(error, "code", None) or getattr(error, "type", None)
    detail = f"HTTP {status}" + (f", {code}" if isinstance(code, str) else "")
    if status in (400, 413, 422) and any(mark in f"{code} {error}".lower() for mark in _TOO_LONG):
        return ContextTooLong(f"{model}: the conversation does not fit the model's context ({detail})")
    if status in (408, 409, 425, 429) or status >= 500:
        return ModelUnavailable(f"{model}: not available ({detail})", _retry_after(error))
    remedy = _REMEDIES.get(status, "it does not accept the request")
    return ModelRefused(f"{model}: refused ({detail}): {remedy}")


def _retry_after(error: Exception) -> float | None:
    """Return the seconds of the `Retry-After` header (RFC 9110, 10.2.3; dates are not used by providers)."""
    headers: Mapping[str, Any] = getattr(getattr(error, "response", None), "headers", None) or {}
    try:
        milliseconds = headers.get("retry-after-ms")
        return float(milliseconds) / 1000 if milliseconds else float(headers["retry-after"])
    except (KeyError, ValueError):
        return None


def _kinds(error: Exception) -> set[str]:
    """Return the names of the classes that `error` is of: the SDKs and HTTP clients need no import for it."""
    return {kind.__name__ for kind in type(error).__mro__}
