"""The request to the OpenAI client of a `ChatOpenAI`, built by LangChain and sent by us."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import TYPE_CHECKING, Any, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import Runnable, RunnableBinding

from .request_form import RequestForm
from .returned_fields import add_to_payload

if TYPE_CHECKING:
    from langchain_openai import ChatOpenAI

log = logging.getLogger(__name__)

_PRIVATE = ("_should_stream", "_should_stream_usage", "_get_request_payload", "_uses_gateway")
"""LangChain attributes that a release may rename: without them LangChain streams the model."""
_missed: set[str] = set()
"""Missing ones, each logged once."""
_SPECIAL = {"name", "tool_calls", "function_call", "audio"}
"""Keys of a message's `additional_kwargs` that LangChain sends."""
_CLASSES = {
    "langchain_openai.chat_models.base.ChatOpenAI",
    "langchain_openai.chat_models.azure.AzureChatOpenAI",
}
"""Exact classes only: subclasses may change anything, so LangChain streams them."""


@dataclass(frozen=True, slots=True)
class RawRequest:
    """A request to the OpenAI client of `chat`, with everything that LangChain would send."""

    chat: "ChatOpenAI"
    payload: dict[str, Any]
    fields: frozenset[str] = frozenset()
    """The names of all its fields: top-level ones, and the provider's own within messages."""


def raw_request(
    model: Runnable[Any, Any],
    messages: Sequence[BaseMessage],
    settings: Mapping[str, Any],
    form: RequestForm,
    name: str,
) -> RawRequest | None:
    """Return the request to `model`, a chat model with or without bound tools, in this form.

    `name` is the model's: only it gets back what it sent besides text.

    `None` if only LangChain can build it or must see its answer: another class, a protocol other than chat
    completions, a rate limiter, disabled streaming, a release without the needed attributes.
    """
    chat, options = model, dict(settings)
    if isinstance(model, RunnableBinding):
        if model.config or model.config_factories:
            return None
        chat, options = model.bound, {**model.kwargs, **options}
    if not isinstance(chat, BaseChatModel) or _full_name(type(chat)) not in _CLASSES:
        return None
    openai = cast("ChatOpenAI", chat)
    stop, counts = options.pop("stop", None), options.pop("stream_usage", None)
    options["stream"] = True
    if not (_has_private(openai) and _is_plain(openai, options)):
        return None
    if openai._should_stream_usage(counts, **options):  # pyright: ignore[reportPrivateUsage]
        options["stream_options"] = {"include_usage": True}
    # LangChain inspects each character of a reply; plain messages, which are nearly all, do not need that.
    plain = [_as_plain(message) for message in messages]
    others = [message for message, known in zip(messages, plain, strict=True) if known is None]
    payload: dict[str, Any] = openai._get_request_payload(others, stop=stop, **options)  # pyright: ignore
    if "messages" not in payload or not isinstance(payload.get("response_format", {}), dict):
        return None
    converted = iter(payload["messages"])
    sent = [next(converted) if known is None else known for known in plain]
    added = add_to_payload(sent, messages, name)
    payload["messages"] = sent
    if form.answer_length in form.left_out or form.answer_length == "max_tokens":
        limit = payload.pop("max_completion_tokens", None)
        if limit is not None and form.answer_length not in form.left_out:
            payload[form.answer_length] = limit
    for left in form.left_out & payload.keys():
        del payload[left]
    for left in form.left_out & (added | {"name"}):
        _leave_out(sent, left)
    return RawRequest(openai, payload, frozenset(payload) | added | {"name"})


def _leave_out(messages: list[dict[str, Any]], field: str) -> None:
    for message in messages:
        message.pop(field, None)
        for call in message.get("tool_calls") or ():
            call.pop(field, None)


def _as_plain(message: BaseMessage) -> dict[str, Any] | None:
    """Return the payload of a user message or of a reply without calls, `None` for anything else."""
    if not isinstance(message.content, str):  # LangChain converts pictures.
        return None
    if message.name is not None or not _SPECIAL.isdisjoint(message.additional_kwargs):
        return None
    if type(message) is HumanMessage:
        return {"content": message.content, "role": "user"}
    if type(message) is AIMessage and not message.tool_calls and not message.invalid_tool_calls:
        return {"content": message.content, "role": "assistant"}
    return None


def _full_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _has_private(chat: "ChatOpenAI") -> bool:
    """Return whether LangChain still has what the fast path needs; log anything missing once."""
    missing = {name for name in _PRIVATE if not hasattr(chat, name)}
    if not hasattr(chat.async_client, "_client"):
        missing.add("_client")
    for name in sorted(missing - _missed):
        log.warning("langchain-openai no longer has %s: answers are read by LangChain, more slowly", name)
    _missed.update(missing)
    return not missing


def _is_plain(chat: "ChatOpenAI", options: Mapping[str, Any]) -> bool:
    """Return whether LangChain would only pass the answer on, from the SDK's own client."""
    own_patience = "stream_chunk_timeout" in chat.model_fields_set and bool(chat.stream_chunk_timeout)
    return (
        chat._should_stream(async_api=True, **options)  # pyright: ignore[reportPrivateUsage]
        and chat.rate_limiter is None
        and not chat.include_response_headers
        and not chat._uses_gateway  # pyright: ignore[reportPrivateUsage]
        and not own_patience
        and getattr(chat.async_client, "_client", None) is chat.root_async_client
        and _is_own(chat.async_client, "create")
        and _is_own(chat.root_async_client, "request")
    )


def _is_own(client: object, method: str) -> bool:
    """Return whether an SDK method is original, not wrapped by a tracer that needs parsed answers."""
    classes = type(client).__mro__
    function: object = next((vars(kind)[method] for kind in classes if method in vars(kind)), None)
    return type(function) is FunctionType and function.__globals__["__name__"].startswith("openai.")
