"""Step 2: stream one completion to the caller and collect its tool calls."""

import logging
from dataclasses import replace

from langchain_core.messages import AIMessage
from langgraph.runtime import Runtime

from ..state.errors import ModelError, ModelUnavailable
from ..state.schema import Turn, VoiceState, VoiceUpdate
from ..state.usage import Usage
from .context import Context, writer_of
from .model.completion import Request
from .replies.client_tools import client_arguments, client_calls, client_tools, offer, own_name
from .replies.failed_step import ends_turn_on_error
from .replies.fallbacks import usable_models
from .replies.reply import Reply
from .replies.reply_end import end_reply
from .replies.reply_stream import stream_reply
from .turn.events import ToolRequested
from .window.request_reduction import (
    ReducedRequest,
    joined,
    may_reduce,
    newest,
    nothing_refused,
    reduced_requests,
    without_refused,
)

log = logging.getLogger(__name__)


@ends_turn_on_error
async def call_llm(state: VoiceState, runtime: Runtime[Context]) -> VoiceUpdate:
    """Count the step, ask the model for the next part of the reply, and speak it as it arrives.

    A reply with tool calls leaves the turn running. Any other ends it: finished, interrupted or failed. A
    turn that has already failed does not ask the model.
    """
    if state["turn"]["outcome"] != "running":
        return {}
    context = runtime.context
    turn = state["turn"].copy()
    turn.update(step=turn["step"] + 1, instruction=None)
    reply = Reply(context.speaker, _offered(state, context, turn), context.limits.max_reply_chars)
    error: ModelError | None = None
    await context.speaker.attach(writer_of(runtime), reply.id)
    try:
        if not await context.stop.race(_listen(state, context, turn, reply)):
            turn.update(outcome="interrupted", finish_reason="interrupted")
    except ModelError as caught:
        error = caught
    message = await end_reply(state, context, turn, reply, error)
    _hand_over(state, runtime, turn, message)
    await context.speaker.detach()
    turn.update(spoken=context.speaker.spoken, first_speech_at=context.speaker.first_speech_at)
    turn["usage"] = _sum(turn["usage"], reply.usage)
    return {"turn": turn, "messages": [message] if message else []}


def _offered(state: VoiceState, context: Context, turn: Turn) -> list[str]:
    """Return the names of all tools that the model may call."""
    clients = client_tools(state, context, turn)
    return [
        *context.toolbox.of_agent(state["agent"]["tools"]),
        *(tool["function"]["name"] for tool in clients),
    ]


def _hand_over(state: VoiceState, runtime: Runtime[Context], turn: Turn, message: AIMessage | None) -> None:
    """Send calls of the client's own tools to the client; without other calls they end the turn."""
    calls = client_calls(state, runtime.context, turn, message) if message else []
    for call in calls:
        name = own_name(turn, call["name"])
        arguments = client_arguments(turn.get("client_tools", ()), call)
        event = ToolRequested(tool_call_id=call["id"] or "", name=name, arguments=arguments)
        writer_of(runtime)(event)
    if message is not None and calls and len(calls) == len(message.tool_calls):
        turn.update(outcome="finished", finish_reason="tool_calls")


async def _listen(state: VoiceState, context: Context, turn: Turn, reply: Reply) -> None:
    """Feed the reply from the model until it ends; after a refusal try `reduced_requests`."""
    window = without_refused(state["messages"], turn.get("refused"))
    try:
        return await _stream(state, context, turn, reply, ReducedRequest(refused=nothing_refused()))
    except ModelError as error:
        if reply.said or not may_reduce(error, window):
            raise
        refusal = error
    if isinstance(refusal, ModelUnavailable):  # It was already retried.
        context = replace(context, limits=context.limits.model_copy(update={"model_attempts": 1}))
    for asked in reduced_requests(window, refusal):
        log.warning(
            "retrying the model with a reduced request",
            extra={"thread_id": context.thread_id, "error": refusal.code, "model": turn.get("model")},
        )
        try:
            await _stream(state, context, turn, reply, asked)
        except ModelError as error:
            if reply.said:
                _note_refused(context, turn, asked)
                raise
            if not may_reduce(error, window):
                raise
        else:
            return _note_refused(context, turn, asked)
    if not isinstance(refusal, ModelUnavailable):
        turn["refused"] = joined(turn.get("refused"), newest(window))
    raise refusal


def _note_refused(context: Context, turn: Turn, asked: ReducedRequest) -> None:
    """Remember what was left out of the request that was answered."""
    turn["refused"] = joined(turn.get("refused"), asked.refused)
    if asked.form is not None and asked.refused == nothing_refused():
        model = context.models.get(turn.get("model"))
        model.learned.keep(asked.form, model.name)


async def _stream(
    state: VoiceState, context: Context, turn: Turn, reply: Reply, asked: ReducedRequest
) -> None:
    models = usable_models(context.models, state["agent"]["model"], context.limits.fallback_models)
    await stream_reply(context, turn, reply, models, lambda _: _request(state, context, turn, asked))


def _request(state: VoiceState, context: Context, turn: Turn, asked: ReducedRequest) -> Request:
    """Return the prompt, the window and the hidden instruction; the last step offers no tools."""
    agent = state["agent"]
    window = without_refused(state["messages"], joined(turn.get("refused"), asked.refused))
    parts = (state["system_prompt"], turn.get("client_instructions"), asked.note)
    offered = None if asked.bare else offer(state, context, turn)
    return Request(
        prompt="\n\n".join(filter(None, parts)),
        window=window,
        instruction=state["turn"]["instruction"],
        tools=offered.tools if offered else (),
        client_tools=offered.client_tools if offered else (),
        user=context.actor.user_id,
        settings=agent["model_settings"] if offered else {},
        client_settings=offered.settings if offered else {},
        form=asked.form,
    )


def _sum(a: Usage, b: Usage) -> Usage:
    return Usage(
        input_tokens=a["input_tokens"] + b["input_tokens"],
        output_tokens=a["output_tokens"] + b["output_tokens"],
        cached_tokens=a["cached_tokens"] + b["cached_tokens"],
    )
