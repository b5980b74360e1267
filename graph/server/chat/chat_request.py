"""Parse chat requests leniently, since no two voice clients send the same."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import orjson
from starlette.datastructures import Headers

from ....nodes.text.characters import whole_characters
from ...clients.client_settings import read_settings
from ...clients.client_tools import read_tools
from ..errors import ApiError

HeaderEncoding = Literal["utf-8", "latin-1"]

_HEADERS = ("x-thread-id", "x-livekit-job-id", "x-livekit-room-id")
_SIDE_CALL_HEADER = "x-voicegraph-side-call"
_ANSWERS = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}
_ELEVENLABS_KEYS = ("thread_id", "conversation_id", "call_id", "session_id", "uuid")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """A request for a chat completion.

    `client_tools` are in OpenAI's format, `functions` is true if they came in its older one. `model_settings`
    are the valid ones. `side_call` is the client's explicit statement, `None` without one. `thread_id` is the
    conversation that the client names, or `None`, and `header_encoding` the encoding in which it reads the
    header. `digest` covers the whole body: a concurrent request with the same digest is the same request,
    sent twice.
    """

    model: str
    messages: list[Any]
    stream: bool
    include_usage: bool
    client_tools: list[dict[str, Any]]
    model_settings: dict[str, Any]
    functions: bool
    side_call: bool | None
    thread_id: str | None
    header_encoding: HeaderEncoding
    digest: bytes


def read_chat_request(body: bytes, headers: Headers) -> ChatRequest:
    """Return the request in the body and headers; unknown fields are ignored.

    Raises `ApiError` 400 if the body is not a JSON object with messages.
    """
    try:
        told = _from_json(body)
    except (ValueError, RecursionError):
        raise ApiError(400, "the body is not JSON", code="invalid_json") from None
    if not isinstance(told, dict):
        raise ApiError(400, "the body must be a JSON object", code="invalid_request")
    fields = cast(dict[str, Any], told)
    messages = fields.get("messages")
    if not isinstance(messages, list) or not messages:
        raise ApiError(
            400,
            "`messages` must be a list with at least one message",
            code="invalid_request",
            param="messages",
        )
    options = _mapping(fields.get("stream_options"))
    return ChatRequest(
        model=_text(fields.get("model")),
        messages=cast(list[Any], messages),
        stream=fields.get("stream") is True,
        include_usage=options.get("include_usage") is True,
        client_tools=read_tools(fields),
        model_settings=read_settings(fields),
        functions=bool(fields.get("functions")) and not fields.get("tools"),
        side_call=_side_call(fields, headers),
        thread_id=_thread_id(fields, headers),
        header_encoding=_encoding(headers.get(_HEADERS[0])),
        digest=hashlib.sha256(body).digest(),
    )


def _from_json(body: bytes) -> Any:
    """Return the decoded body; unpaired surrogates, which orjson rejects, are accepted."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return json.loads(body)


def _thread_id(fields: Mapping[str, Any], headers: Headers) -> str | None:
    """Return the thread that the client names, from the most trusted place that has one."""
    extra = {key.lower(): value for key, value in _mapping(fields.get("elevenlabs_extra_body")).items()}
    own, *livekit = (_header_text(headers.get(name)) for name in _HEADERS)
    places = [
        own,
        fields.get("thread_id"),
        _mapping(fields.get("metadata")).get("thread_id"),
        *livekit,
        _mapping(fields.get("call")).get("id"),
        *(extra.get(key) for key in _ELEVENLABS_KEYS),
    ]
    named = (
        str(place).strip() for place in places if isinstance(place, str | int) and not isinstance(place, bool)
    )
    return next((whole_characters(name) for name in named if name), None)


def _side_call(fields: Mapping[str, Any], headers: Headers) -> bool | None:
    """Return whether the client declares the request a side call, `None` if it does not say."""
    places = (
        headers.get(_SIDE_CALL_HEADER),
        fields.get("side_call"),
        _mapping(fields.get("metadata")).get("side_call"),
    )
    said = (str(place).strip().lower() for place in places if isinstance(place, str | int))
    return next((_ANSWERS[word] for word in said if word in _ANSWERS), None)


def _header_text(value: str | None) -> str | None:
    """Return a header's text: clients send UTF-8, which HTTP libraries decode as Latin-1."""
    return value and value.encode("latin-1").decode(_encoding(value))


def _encoding(value: str | None) -> HeaderEncoding:
    try:
        (value or "").encode("latin-1").decode()
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"


def _mapping(value: Any) -> Mapping[str, Any]:
    return cast(Mapping[str, Any], value) if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
