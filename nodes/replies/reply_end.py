"""Decide how a model's reply ended: what the caller must still hear, and which message to store."""

import logging
from functools import partial

from langchain_core.messages import AIMessage

from ...state.errors import ContentFiltered, ModelError
from ...state.schema import Turn, VoiceState
from ..context import Context
from ..turn.error_facts import error_facts
from .called_tools import called_name
from .failed_step import fail
from .reply import Reply

log = logging.getLogger(__name__)


async def end_reply(
    state: VoiceState, context: Context, turn: Turn, reply: Reply, error: ModelError | None
) -> AIMessage | None:
    """Decide how the step ended, speak what the caller must hear, and return the message to store."""
    now, model, limits = context.clock.now(), turn.get("model", ""), context.limits
    if turn["outcome"] == "interrupted":
        return reply.spoken_message(model, now)
    if error is not None:
        known = {"thread_id": context.thread_id, "model": model}
        log.debug("why the model failed", exc_info=error)
        if isinstance(error, ContentFiltered) and not reply.said:
            log.warning("a reply was filtered", extra={**known, **error_facts(error)})
            turn.update(outcome="finished", finish_reason="content_filter")
            await reply.add_sentence(limits.filtered_reply)
            return reply.spoken_message(model, now)
        fail(turn, context, error)
        log.warning("the model failed", extra={**known, **error_facts(error)})
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
        extra = {"thread_id": context.thread_id, "model": model, "error": "content_filter"}
        log.warning("a reply was filtered", extra=extra)
        await reply.add_sentence(limits.filtered_reply)
    elif not reply.said.strip():
        await reply.add_sentence(limits.apology)
        turn.update(outcome="failed", error="model_protocol", error_message="the model's answer was empty")
        extra = {"model": model, "thread_id": context.thread_id, "error": "model_protocol"}
        log.warning("the model failed", extra=extra)
    return reply.spoken_message(model, now)


def _final_reason(reason: str | None) -> str:
    """Return the turn's finish reason; a missing or unknown one counts as `stop`."""
    return reason if reason in ("length", "content_filter") else "stop"
