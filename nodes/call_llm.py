"""Step 2: stream one completion to the caller's ear and gather its tool calls."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial

from langchain_core.messages import AIMessage
from langgraph.runtime import Runtime

from ..state.errors import ContentFiltered, ModelError, ModelTimeout, ModelUnavailable
from ..state.schema import Turn, Usage, VoiceState, VoiceUpdate
from .attempts import start_completion
from .called_tools import called_name
from .client_tools import client_calls, offer, own_name
from .completion import Request
from .context import Context, writer_of
from .delta import Delta
from .events import ToolRequested, encode_event
from .failed_step import ends_turn_on_error
from .fallbacks import usable_models
from .filler import filled_silence
from .limits import TurnLimits
from .narrowing import Asked, joined, may_narrow, narrower, newest, nothing_refused, without_refused
from .reply import Reply

_USAGE_WAIT = 0.5
"""Seconds that a whole answer waits for its usage."""
_STALL_STEP = 0.05
"""Seconds that a stall may last longer: its limit is moved on so often, not at each token."""

log = logging.getLogger(__name__)


@ends_turn_on_error
async def call_llm(state: VoiceState, runtime: Runtime[Context]) -> VoiceUpdate:
    """Ask the model for the next part of the reply, speaking it as it comes.

    A reply with tool calls leaves the turn running. Any other ends it: finished, interrupted or failed. A
    turn that has failed already asks nothing.
    """
    if state["turn"]["outcome"] != "running":
        return {}
    context = runtime.context
    turn = state["turn"].copy()
    turn.update(step=turn["step"] + 1, instruction=None)
    reply = Reply(context.speaker)
    error: ModelError | None = None
    await context.speaker.attach(writer_of(runtime), reply.id)
    try:
        if not await context.stop.race(_listen(state, context, turn, reply)):
            turn.update(outcome="interrupted", finish_reason="interrupted")
    except ModelError as caught:
        error = caught
    message = await _conclude(state, context, turn, reply, error)
    _hand_over(state, runtime, turn, message)
    await context.speaker.detach()
    turn.update(spoken=context.speaker.spoken, first_speech_at=context.speaker.first_speech_at)
    turn["usage"] = _sum(turn["usage"], reply.usage)
    return {"turn": turn, "messages": [message] if message else []}


def _hand_over(state: VoiceState, runtime: Runtime[Context], turn: Turn, message: AIMessage | None) -> None:
    """Give the calls of the client's own tools to it; when there are no others the turn ends with them."""
    calls = client_calls(state, runtime.context, turn, message) if message else []
    for call in calls:
        name = own_name(turn, call["name"])
        event = ToolRequested(tool_call_id=call["id"] or "", name=name, arguments=call["args"])
        writer_of(runtime)(encode_event(event))
    if message is not None and calls and len(calls) == len(message.tool_calls):
        turn.update(outcome="finished", finish_reason="tool_calls")


async def _listen(state: VoiceState, context: Context, turn: Turn, reply: Reply) -> None:
    """Feed the reply from the model until it ends; after a refusal it is asked with less, see `narrower`."""
    window = without_refused(state["messages"], turn.get("refused"))
    try:
        return await _stream(state, context, turn, reply, Asked(refused=nothing_refused()))
    except ModelError as error:
        if reply.said or not may_narrow(error):
            raise
        refusal = error
    for asked in narrower(window, refusal):
        log.warning(
            "asking the model again with less",
            extra={"thread_id": context.thread_id, "error": refusal.code, "model": turn.get("model")},
        )
        try:
            await _stream(state, context, turn, reply, asked)
        except ModelError as error:
            if reply.said:
                _note_refused(context, turn, asked)
                raise
            if not may_narrow(error):
                raise
        else:
            return _note_refused(context, turn, asked)
    if not isinstance(refusal, ModelUnavailable):
        turn["refused"] = joined(turn.get("refused"), newest(window))
    raise refusal


def _note_refused(context: Context, turn: Turn, asked: Asked) -> None:
    """Remember what the request that was answered did without."""
    turn["refused"] = joined(turn.get("refused"), asked.refused)
    if asked.form is not None and asked.refused == nothing_refused():
        model = context.models.get(turn.get("model"))
        model.learned.keep(asked.form, model.name)


async def _stream(state: VoiceState, context: Context, turn: Turn, reply: Reply, asked: Asked) -> None:
    limits = context.limits
    models = usable_models(context.models, state["agent"]["model"], limits.fallback_models)
    async with filled_silence(context, until=lambda: bool(reply.said)):
        started = await start_completion(models, lambda _: _request(state, context, turn, asked), limits)
        turn["model"] = started.model.name
        async with aclosing(started.rest) as rest:
            for delta in started.first:
                await reply.feed(delta)
            try:
                await _follow(rest, reply, limits, started.model.name)
            except ModelError:
                if reply.finish_reason is None:
                    raise
                log.info("the answer was whole, its end was not", extra={"model": started.model.name})
    await reply.close()


async def _follow(rest: AsyncGenerator[Delta], reply: Reply, limits: TurnLimits, model: str) -> None:
    """Feed the reply until the stream ends; behind the finish reason only the usage is waited for."""
    loop = asyncio.get_running_loop()
    stall_timeout = limits.stall_timeout
    try:
        async with asyncio.timeout(stall_timeout) as stall:
            if reply.finish_reason is not None:
                stall.reschedule(loop.time() + min(_USAGE_WAIT, stall_timeout))
            moved = loop.time()
            async for delta in rest:
                await reply.feed(delta)
                if reply.size > limits.max_reply_chars:
                    reply.finish_reason = "length"
                    return
                now = loop.time()
                if delta.finish_reason is not None or now - moved > _STALL_STEP:
                    wait = stall_timeout if reply.finish_reason is None else min(_USAGE_WAIT, stall_timeout)
                    stall.reschedule(now + wait + _STALL_STEP)
                    moved = now
    except TimeoutError as error:
        raise ModelTimeout(f"{model}: nothing more came for {stall_timeout} seconds") from error


def _request(state: VoiceState, context: Context, turn: Turn, asked: Asked) -> Request:
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


async def _conclude(
    state: VoiceState, context: Context, turn: Turn, reply: Reply, error: ModelError | None
) -> AIMessage | None:
    """Decide how the step ended, say what the caller must hear, and return the message to keep."""
    now, model, limits = context.clock.now(), turn.get("model", ""), context.limits
    if turn["outcome"] == "interrupted":
        return reply.spoken_message(model, now)
    if error is not None:
        if isinstance(error, ContentFiltered) and not reply.said:
            turn.update(outcome="finished", finish_reason="content_filter")
            await reply.add_sentence(limits.filtered_reply)
            return reply.spoken_message(model, now)
        turn.update(outcome="failed", finish_reason="error", error=error.code)
        log.warning("the model failed", extra={"error": error.code, "thread_id": context.thread_id})
        context.failure.error = error
        await reply.add_sentence(limits.broken_reply if reply.said else limits.apology)
        return reply.spoken_message(model, now)
    may_call = turn["step"] < limits.max_steps and reply.finish_reason not in ("length", "content_filter")
    if reply.has_calls and may_call:
        used = {
            call["id"] or "" for m in state["messages"] if isinstance(m, AIMessage) for call in m.tool_calls
        }
        return reply.message(model, now, used, partial(called_name, state, context, turn))
    turn.update(outcome="finished", finish_reason=_final_reason(reply.finish_reason))
    if reply.finish_reason == "content_filter":
        await reply.add_sentence(limits.filtered_reply)
    elif not reply.said.strip():
        await reply.add_sentence(limits.apology)
        turn.update(outcome="failed", error="model_protocol")
    return reply.spoken_message(model, now)


def _final_reason(reason: str | None) -> str:
    """Return the turn's finish reason; a stream that ends without one, or with a new one, has stopped."""
    return reason if reason in ("length", "content_filter") else "stop"


def _sum(a: Usage, b: Usage) -> Usage:
    return Usage(
        input_tokens=a["input_tokens"] + b["input_tokens"],
        output_tokens=a["output_tokens"] + b["output_tokens"],
        cached_tokens=a["cached_tokens"] + b["cached_tokens"],
    )
