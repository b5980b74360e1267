"""One streamed completion as deltas, for every LangChain chat model."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

from langchain_core.messages import AnyMessage

from ...state.errors import ModelError, ModelProtocolError, ModelUnavailable, RequestRefused
from ..tools.registry import VoiceTool
from .catalog import VoiceModel
from .errors.model_errors import as_model_error
from .langchain_stream import stream_langchain
from .model_run import announced, followers
from .openai_stream import stream_raw
from .request.client_settings import with_client_settings, with_format_in_body
from .request.openai_request import raw_request
from .request.request_form import RequestForm
from .request.request_messages import request_messages
from .request.returned_fields import with_fields
from .stream.delta import Delta
from .stream.finish_reasons import FAILED
from .stream.stream_reading import PIECE, Reading

BURST = 500
"""Number of deltas after which other tasks may run: a server may send thousands at once."""
_OF_TOOLS = frozenset({"tool_choice", "parallel_tool_calls"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request to the model: prompt, window, offered tools, settings of agent and client."""

    prompt: str
    window: Sequence[AnyMessage]
    instruction: str | None = None
    """Hidden text for this request only."""
    tools: Sequence[VoiceTool] = ()
    client_tools: Sequence[Mapping[str, Any]] = ()
    """Tools that the client runs itself, in OpenAI's format."""
    user: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    client_settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    form: RequestForm | None = None
    """Its form, overriding the model's own."""

    @property
    def offered(self) -> list[str]:
        """The names of the offered tools."""
        clients = [str(tool.get("function", {}).get("name")) for tool in self.client_tools]
        return [*(tool.offered for tool in self.tools), *clients]


async def stream_completion(
    model: VoiceModel, request: Request, *, thoughts_first: bool = False
) -> AsyncGenerator[Delta]:
    """Yield the deltas of one completion, with text that can be spoken; see `Reading`.

    A request whose form the server refuses is sent again, in the form that the refusal asks for. Raises only
    `ModelError`s. Closing the generator, or cancelling the task that waits for it, closes the connection to
    the provider.
    """
    form, begun, count = request.form or model.learned.form, False, 0
    while True:
        sent: set[str] = set()
        try:
            reading = Reading(request.offered, thoughts_first=thoughts_first)
            async with aclosing(_open(model, request, form, sent)) as deltas:
                async for sent_delta in deltas:
                    for delta in reading.read(sent_delta):
                        begun = begun or delta.begins
                        if delta.finish_reason == FAILED:
                            yield replace(delta, finish_reason=None)
                            raise _unended(model.name, delta.failure)
                        yield delta
                        count += 1
                        if count % BURST == 0 or len(sent_delta.text) > PIECE:
                            await asyncio.sleep(0)
            rest = reading.close()
            if rest is not None:
                yield rest
            return
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise ModelProtocolError(f"{model.name}: cancelled its own answer") from error
        except ModelError as error:
            refusal = error
        except Exception as error:
            refusal = as_model_error(error, model.name)
            refusal.__cause__ = error
        other = None
        if isinstance(refusal, RequestRefused) and not begun:
            other = model.learned.after(refusal, form, sent, model.name)
        if other is None:
            raise refusal
        form = other


def _unended(model: str, failure: str | None) -> ModelUnavailable:
    reason = f" ({failure})" if failure else ""
    return ModelUnavailable(f"{model}: the provider could not end its answer{reason}")


def _open(model: VoiceModel, request: Request, form: RequestForm, sent: set[str]) -> AsyncGenerator[Delta]:
    """Return the stream for the request in this form, and add its field names to `sent`."""
    settings = with_client_settings(
        {**model.settings, **request.settings}, request.client_settings, model.chat
    )
    if request.user:
        settings["user"] = request.user
    settings = _without(settings, form)
    messages = request_messages(request.prompt, request.window, request.instruction, form)
    offers = model.calls_tools and "tools" not in form.left_out
    bound = model.with_tools(request.tools, request.client_tools, form) if offers else model.chat
    if not offers:
        settings = {name: value for name, value in settings.items() if name not in _OF_TOOLS}
    sent |= settings.keys() | {"stream_options"}
    if offers and (request.tools or request.client_tools):
        sent |= {"tools", "strict", "tool_choice", "parallel_tool_calls"}
    raw = raw_request(bound, messages, settings, form, model.name)
    if raw is not None:
        sent |= raw.fields
        stream, manager = stream_raw(raw, model.name), followers(raw)
        return stream if manager is None else announced(stream, raw, messages, manager)
    if "stream_options" in form.left_out and hasattr(model.chat, "stream_usage"):
        settings["stream_usage"] = False
    settings = with_format_in_body(settings, model.chat)
    return stream_langchain(bound, with_fields(messages, model.name), settings)


def _without(settings: Mapping[str, Any], form: RequestForm) -> dict[str, Any]:
    """Return the settings that the server accepts, with the length limit under the name that it accepts."""
    kept = {name: value for name, value in settings.items() if name not in form.left_out}
    limit = settings.get("max_completion_tokens", settings.get("max_tokens"))
    for name in ("max_completion_tokens", "max_tokens"):
        kept.pop(name, None)
    if limit is not None and form.answer_length not in form.left_out:
        kept[form.answer_length] = limit
    return kept
