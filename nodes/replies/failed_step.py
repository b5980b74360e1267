"""A step that fails ends its turn: the caller hears an apology, and the turn is stored as failed."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import TypeVar, cast
from uuid import uuid4

from langchain_core.messages import AIMessage
from langgraph.errors import GraphBubbleUp
from langgraph.runtime import Runtime

from ...state.errors import StorageError, VoicegraphError
from ...state.schema import Turn, VoiceState, VoiceUpdate
from ..context import Context, writer_of
from ..turn.error_facts import error_facts
from .reply import CREATED_AT

log = logging.getLogger(__name__)

Step = TypeVar("Step", bound=Callable[[VoiceState, Runtime[Context]], Awaitable[VoiceUpdate]])


def ends_turn_on_error(step: Step) -> Step:
    """Wrap a step so that its errors end the turn; cancellation propagates."""

    @wraps(step)
    async def guarded(state: VoiceState, runtime: Runtime[Context]) -> VoiceUpdate:
        try:
            return await step(state, runtime)
        except GraphBubbleUp:  # LangGraph's own mechanism to pause.
            raise
        except (Exception, BaseExceptionGroup) as error:
            task = asyncio.current_task()
            if (task is not None and task.cancelling()) or is_worth_a_retry(error, runtime.context):
                raise
            return await _failed(getattr(step, "__name__", "?"), state, runtime, error)

    return cast(Step, guarded)


def fail(turn: Turn, context: Context, error: VoicegraphError) -> None:
    """Mark the turn as failed by this error."""
    turn.update(outcome="failed", finish_reason="error", error=error.code, error_message=str(error))
    context.failed(error)


def is_worth_a_retry(error: BaseException, context: Context) -> bool:
    """Return true for a busy database before the first word: the client can retry at once."""
    return isinstance(error, StorageError) and error.retryable and not context.speaker.spoken


async def _failed(
    name: str, state: VoiceState, runtime: Runtime[Context], error: BaseException
) -> VoiceUpdate:
    """Speak the apology, and return the turn as failed with everything spoken in this step."""
    context, speaker = runtime.context, runtime.context.speaker
    known = isinstance(error, VoicegraphError)
    failure = error if known else VoicegraphError(f"the step {name} failed ({type(error).__name__})")
    known_of = {"thread_id": context.thread_id, "model": state["turn"].get("model", ""), "step": name}
    log.error("a step failed", extra={**known_of, **error_facts(error)})
    log.debug("why the step failed", exc_info=error)
    turn = state["turn"].copy()
    fail(turn, context, failure)
    before, reply_id = len(turn["spoken"]), str(uuid4())
    spoke = speaker.answered > before
    await speaker.detach()
    await speaker.attach(writer_of(runtime), reply_id)
    await speaker.say(context.limits.broken_reply if spoke else context.limits.apology)
    await speaker.detach()
    turn.update(spoken=speaker.spoken, first_speech_at=speaker.first_speech_at)
    message = AIMessage(
        speaker.spoken[before:].strip(),
        id=reply_id,
        additional_kwargs={CREATED_AT: context.clock.now()},
        response_metadata={"model": turn.get("model", ""), "finish_reason": "error"},
    )
    return {"turn": turn, "messages": [message]}
