"""Answer every error as OpenAI's error object: `{"error": {"message", "type", "param", "code"}}`.

No message repeats invalid input, and none reveals how the server is built.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...nodes.turn.error_facts import error_facts
from ...state.errors import (
    AgentNotFound,
    AlreadyExists,
    Conflict,
    InvalidInput,
    MissingExtra,
    ModelError,
    ModelTimeout,
    ModelUnavailable,
    NotFound,
    NothingToResume,
    NothingToUndo,
    StorageError,
    ThreadBusy,
    ThreadNotFound,
    VoicegraphError,
)

log = logging.getLogger(__name__)

RETRY_AFTER = {"Retry-After": "1"}


class ApiError(HTTPException):
    """An error response; `code` is for programs, `param` names the invalid field."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str,
        param: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(status, message, headers)
        self.code, self.param = code, param


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """How an error is reported; `message` replaces its own, which may reveal too much."""

    status: int
    message: str | None = None
    headers: dict[str, str] | None = None


ERROR_REPORTS: dict[type[VoicegraphError], ErrorReport] = {
    AlreadyExists: ErrorReport(409),
    InvalidInput: ErrorReport(400),
    AgentNotFound: ErrorReport(404, "there is no such agent"),
    ThreadNotFound: ErrorReport(404, "there is no such thread"),
    NothingToUndo: ErrorReport(409),
    NothingToResume: ErrorReport(409),
    NotFound: ErrorReport(404),
    ThreadBusy: ErrorReport(409, headers=RETRY_AFTER),
    Conflict: ErrorReport(409),
    MissingExtra: ErrorReport(501, "this server was installed without what that needs"),
    StorageError: ErrorReport(503, "the memory cannot be reached now: try again", RETRY_AFTER),
    ModelUnavailable: ErrorReport(503, "the language model cannot be reached now: try again", RETRY_AFTER),
    ModelTimeout: ErrorReport(503, "the language model did not answer in time: try again", RETRY_AFTER),
    ModelError: ErrorReport(502, "the language model did not answer as it should"),
    VoicegraphError: ErrorReport(500, "something went wrong in the server"),
}
"""The first matching class applies."""

_CODES = {
    400: "invalid_request",
    401: "invalid_api_key",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
    429: "rate_limit_exceeded",
}
_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    429: "rate_limit_error",
}


def answer_errors(app: FastAPI) -> None:
    """Make `app` answer every error with an error object."""
    app.add_exception_handler(VoicegraphError, answer_error)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_middleware(LastResort, answered=app.state.metrics.answered)


def error_response(
    status: int,
    message: str,
    *,
    code: str | None = None,
    param: str | None = None,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    """Return the error object as a response."""
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    code = code or _CODES.get(status, "server_error" if status >= 500 else "invalid_request")
    error = {"message": message, "type": kind, "param": param, "code": code}
    return JSONResponse({"error": error}, status, headers)


def response_of(error: Exception) -> Response:
    """Return the response to one of our errors or an `ApiError`."""
    return _of_http(None, error) if isinstance(error, HTTPException) else answer_error(None, error)


def report_of(error: VoicegraphError) -> tuple[ErrorReport, str]:
    """Return how an error is reported, and the message."""
    how = next(ERROR_REPORTS[kind] for kind in type(error).__mro__ if kind in ERROR_REPORTS)
    return how, how.message or str(error)


def answer_error(request: Request | None, error: Exception) -> Response:
    """Return the response to one of our errors, and log it unless it is the client's fault."""
    assert isinstance(error, VoicegraphError)
    how, message = report_of(error)
    if how.status >= 500:
        log.error("a request failed", extra={"status": how.status, **error_facts(error)})
        log.debug("why the request failed", exc_info=error)
    elif isinstance(error, ThreadBusy):
        log.warning("a turn was refused", extra={"status": how.status, "error": error.code})
    return error_response(how.status, message, code=error.code, headers=how.headers)


def _of_http(request: Request | None, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers) if error.headers else None
    code, param = (error.code, error.param) if isinstance(error, ApiError) else (None, None)
    return error_response(error.status_code, error.detail, code=code, param=param, headers=headers)


def _of_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    fault: dict[str, Any] = error.errors()[0]
    if fault["type"] == "json_invalid":
        return error_response(400, "the body is not JSON", code="invalid_json")
    place: list[Any] = list(fault["loc"])
    if place == ["body"] and isinstance(error.body, bytes):
        return error_response(415, "send the body with: Content-Type: application/json")
    if fault["type"] == "extra_forbidden":
        return error_response(422, "the body holds a field that is not known here", code="unknown_field")
    # Deeper parts of the path may be names that the client chose.
    where = str(place[1]) if len(place) > 1 else None
    said = _without_input(fault)
    message = f"{where}: {said}" if where else f"the {place[0]}: {said}"
    return error_response(422, message, code="invalid_value", param=where)


def _without_input(fault: dict[str, Any]) -> str:
    """Return the error's message if its type reveals only the schema, else a neutral one."""
    if fault["type"] in _SAFE_TYPES or fault["type"].endswith(("_type", "_parsing")):
        return fault["msg"].removeprefix("Value error, ")
    return "this value cannot be used"


_SAFE_TYPES = frozenset(
    "missing string_too_short string_too_long greater_than_equal less_than_equal greater_than less_than "
    "literal_error enum too_short too_long timezone_aware string_pattern_mismatch int_from_float "
    "finite_number value_error".split()
)


class LastResort:
    """The outermost layer: an unexpected error becomes a 500, and its text is not logged."""

    def __init__(self, app: ASGIApp, answered: Callable[[int], None]) -> None:
        """Pass requests on to `app`, and call `answered` with the status of each response."""
        self.app, self._answered = app, answered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and catch what falls through."""
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                self._answered(message["status"])
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception as error:
            # Its text may contain a caller's words: above DEBUG only type and place are logged.
            log.error("a request failed", extra={"status": 500, **error_facts(error)})
            log.debug("why the request failed", exc_info=error)
            if scope["type"] != "http":
                raise
            if not started:
                response = error_response(500, "something went wrong in the server")
                await response(scope, receive, watched)
