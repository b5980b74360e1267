"""Answer a chat request whose turn could not start with an apology: on an error the client stays silent."""

import logging

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from ....nodes.turn.error_facts import error_facts
from ....state.agents.agents import DEFAULT_AGENT
from ....state.errors import DatabaseBusy, StorageError, VoicegraphError
from ....state.usage import Usage
from ..errors import ApiError, answer_error
from ..operation.metrics import Metrics
from .chat_request import ChatRequest
from .completion_chunks import DONE, Chunks
from .request_body import read_request

log = logging.getLogger(__name__)

_NOTHING_USED = Usage(input_tokens=0, output_tokens=0, cached_tokens=0)


def speak_failures(app: FastAPI) -> None:
    """Make `app` answer chat requests with a spoken apology when the database fails."""
    app.add_exception_handler(StorageError, _of_storage)


async def spoken_failure(request: Request, error: Exception) -> Response:
    """Return an apology as the reply, streamed if the request asks for it. Raises `ApiError`."""
    answer = await _apology(request, logging.ERROR, "a turn could not start", error_facts(error))
    log.debug("why the turn could not start", exc_info=error)
    return answer


async def is_for_a_caller(request: Request) -> bool:
    """Return whether the reply will be spoken to a caller, who would not hear of an error.

    True for streaming requests other than side calls. Programs that ask for a whole reply read the response,
    so they get the status. Raises `ApiError`.
    """
    settings = request.app.state.graph.resources.settings
    asked = await read_request(request, settings.max_message_chars)
    return asked.stream and not asked.side_call and not is_side_call(request)


async def spoken_limit(request: Request, error: ApiError | VoicegraphError) -> Response:
    """Return an apology as the reply to a request over a limit, and count a failed turn."""
    # A client over its rate limit is so many times: the limit itself logs it.
    return await _apology(request, logging.INFO, "a turn was refused in words", {"error": error.code})


async def _apology(request: Request, level: int, line: str, facts: dict[str, str]) -> Response:
    """Return the apology as the reply; log a line and count a failed turn."""
    settings = request.app.state.graph.resources.settings
    asked = await read_request(request, settings.max_message_chars)
    agent = str(request.path_params.get("agent") or asked.model or DEFAULT_AGENT)
    log.log(level, line, extra={"thread_id": asked.thread_id, "agent": agent, **facts})
    metrics: Metrics = request.app.state.metrics
    metrics.turn_failed(facts["error"])
    return _spoken(settings.apology, agent, asked)


def mark_side_call(request: Request) -> None:
    """Mark a request as a side call: its client would mistake an apology for the result."""
    request.state.is_side_call = True


def is_side_call(request: Request) -> bool:
    """Return whether `mark_side_call` was called for the request."""
    return getattr(request.state, "is_side_call", False)


def is_away(error: StorageError) -> bool:
    """Return whether the database is currently unreachable."""
    return error.retryable and not isinstance(error, DatabaseBusy)


def _spoken(words: str, agent: str, asked: ChatRequest) -> Response:
    chunks = Chunks(agent)
    if not asked.stream:
        return JSONResponse(chunks.whole(words, None, _NOTHING_USED))
    usage = chunks.usage(_NOTHING_USED) if asked.include_usage else b""
    whole = chunks.text(words) + chunks.finish(None) + usage + DONE
    return Response(whole, media_type="text/event-stream; charset=utf-8")


async def _of_storage(request: Request, error: Exception) -> Response:
    in_chat = request.method == "POST" and request.url.path.rstrip("/").endswith("/chat/completions")
    # If all connections are in use, a retry may find one, here or in another process.
    if in_chat and not is_side_call(request) and not isinstance(error, DatabaseBusy):
        return await spoken_failure(request, error)
    return answer_error(request, error)
