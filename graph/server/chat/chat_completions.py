"""The chat completions endpoints; an agent is used as the model."""

from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from ....nodes.turn.events import Speech, ToolRequested, TurnFailed, TurnFinished
from ....state.agents.actors import Actor
from ....state.agents.agents import DEFAULT_AGENT
from ....state.errors import AgentNotFound, MessageTooLong, VoicegraphError
from ..access.auth import Calling, over_rate
from ..access.running_turns import TooManyTurns
from ..errors import RETRY_AFTER, ApiError
from ..operation.openapi import CHAT
from .chat_request import ChatRequest
from .completion_chunks import Chunks
from .disconnect import until_disconnect
from .event_stream import Answer, EventStream, thread_header
from .request_body import read_request
from .served_turn import ServedTurns
from .side_answer import begin_side_answer
from .side_calls import SideCalls
from .spoken_failure import is_for_a_caller, is_side_call, mark_side_call, spoken_failure, spoken_limit

router = APIRouter(prefix="/v1", tags=["chat"])


@router.post("/chat/completions", openapi_extra=CHAT, response_model=None)
async def create_chat_completion(request: Request, actor: Calling) -> Response:
    """Answer as the agent whose name or id is `model`."""
    return await _complete(request, actor, None)


@router.post("/agents/{agent}/chat/completions", openapi_extra=CHAT, response_model=None)
@router.post("/voice-beta/{agent}/chat/completions", openapi_extra=CHAT, response_model=None)
async def create_agent_chat_completion(agent: str, request: Request, actor: Calling) -> Response:
    """Answer as the agent with this name or id, whatever `model` says."""
    return await _complete(request, actor, agent)


async def _complete(request: Request, actor: Actor, agent: str | None) -> Response:
    if request.app.state.draining:
        raise ApiError(503, "the server is shutting down: try again", code="draining", headers=_ENDING)
    settings = request.app.state.graph.resources.settings
    refused = over_rate(request, actor)
    if refused is not None and not await is_for_a_caller(request):
        raise refused
    if refused is not None:
        return await spoken_limit(request, refused)
    asked = await read_request(request, settings.max_message_chars)
    name = agent or asked.model or DEFAULT_AGENT
    try:
        answer = await _answer(request, actor, name, asked)
    except AgentNotFound:
        raise ApiError(
            404, "there is no such agent: GET /v1/models lists them", code="model_not_found", param="model"
        ) from None
    except (MessageTooLong, TooManyTurns) as error:
        if await is_for_a_caller(request):
            return await spoken_limit(request, error)
        raise
    except (VoicegraphError, ApiError):
        raise
    except Exception as error:  # Whatever the error, the caller must not hear silence.
        if is_side_call(request):
            raise
        return await spoken_failure(request, error)
    chunks = Chunks(name, functions=asked.functions)
    if asked.stream:
        return EventStream(
            answer, chunks, include_usage=asked.include_usage, header_encoding=asked.header_encoding
        )
    return await _whole(request, answer, chunks, asked.header_encoding)


async def _answer(request: Request, actor: Actor, name: str, asked: ChatRequest) -> Answer:
    """Start the turn or the side call that the request asks for."""
    side_calls: SideCalls = request.app.state.side_calls
    if await side_calls.include(actor, name, asked):
        mark_side_call(request)
        return await begin_side_answer(request.app.state.graph.resources, actor, name, asked)
    turns: ServedTurns = request.app.state.turns
    return await turns.of_request(actor, name, asked)


_ENDING = {**RETRY_AFTER, "Connection": "close"}


async def _whole(request: Request, answer: Answer, chunks: Chunks, header_encoding: str) -> Response:
    """Answer with the whole reply, unless the client disconnects first."""
    try:
        completion = await until_disconnect(_gather(answer, chunks), request.receive)
    finally:
        answer.part()
    if completion is None:
        return Response(status_code=499)  # The client has disconnected.
    response = JSONResponse(completion)
    response.raw_headers += thread_header(answer, header_encoding)
    return response


async def _gather(answer: Answer, chunks: Chunks) -> dict[str, Any]:
    text = ""
    async with aclosing(answer.events()) as events:
        async for event in events:
            match event:
                case Speech():
                    text += event.content
                case ToolRequested():
                    chunks.tool_call(event.tool_call_id, event.name, event.arguments)
                case TurnFinished():
                    return chunks.whole(text, event.finish_reason, event.usage)
                case TurnFailed():
                    return chunks.whole(text, None, event.usage)
                case _:
                    pass
    raise AssertionError("a turn ends with an event")
