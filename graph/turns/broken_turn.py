"""A run that fails outside its steps still ends with a spoken apology."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from ...nodes.context import Context
from ...nodes.replies.failed_step import is_worth_a_retry
from ...nodes.turn.error_facts import error_facts
from ...nodes.turn.events import Event, Speech, TurnFailed
from ...nodes.turn.turn_facts import begin_facts
from ...state.errors import Conflict, InvalidInput, NotFound, VoicegraphError
from ...state.usage import Usage
from ..threads.running import TurnRun
from .stream_parts import stream_part

log = logging.getLogger(__name__)


async def ended_in_words(
    parts: AsyncGenerator[Any], run: TurnRun, live: Context, options: Mapping[str, Any]
) -> AsyncGenerator[Any]:
    """Yield the parts of a run; after an error also an apology and `turn_failed`, unless its end was sent.

    Errors of the caller (`InvalidInput`, `NotFound`, `Conflict`) are raised, and all errors if no stream mode
    carries events. `options` are those of the run.
    """
    begin_facts(thread_id=live.thread_id, agent=live.agent)
    try:
        async with aclosing(parts) as running:
            async for part in running:
                yield part
    except (GeneratorExit, InvalidInput, NotFound, Conflict):
        raise
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # A tool may raise `SystemExit` and the like.
        heard = stream_part("custom", {}, options) is not None
        if not heard or run.announced or live.limits.raise_errors or is_worth_a_retry(error, live):
            raise
        code = error.code if isinstance(error, VoicegraphError) else "internal"
        log.error("a turn failed unexpectedly", extra={"thread_id": live.thread_id, **error_facts(error)})
        log.debug("why the turn failed", exc_info=error)
        sentence = live.limits.broken_reply if live.speaker.answered else live.limits.apology
        sentence = f" {sentence}" if live.speaker.spoken else sentence
        live.speaker.note(sentence)
        for event in (Speech(content=sentence), failed_turn(code, "the turn failed unexpectedly")):
            yield event


def failed_turn(code: str, message: str) -> Event:
    """Return the last event of a turn about which nothing else is known."""
    usage = Usage(input_tokens=0, output_tokens=0, cached_tokens=0)
    return TurnFailed(
        turn_id="", error=code, message=message, usage=usage, steps=0, first_speech_seconds=None, seconds=0.0
    )
