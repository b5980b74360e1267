"""Feed a reply from a model's stream, from the first request to the usage at the end."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from ...state.errors import ModelError
from ...state.schema import Turn
from ..context import Context
from ..model.attempts import start_completion
from ..model.catalog import VoiceModel
from ..model.completion import BURST, Request
from ..model.pacing import Pace
from ..model.stream.delta import Delta
from ..turn.limits import TurnLimits
from .filler import fill_silence
from .reply import Reply

log = logging.getLogger(__name__)


async def stream_reply(
    context: Context,
    turn: Turn,
    reply: Reply,
    models: Sequence[VoiceModel],
    request: Callable[[VoiceModel], Request],
) -> None:
    """Speak the answer of the first model that gives one; `turn` gets its name.

    Raises the last `ModelError` if none answers, or the one that broke the answer off.
    """
    async with fill_silence(context, until=lambda: bool(reply.said)):
        started = await start_completion(models, request, context.limits, context.thread_id)
        name = turn["model"] = started.model.name
        async with aclosing(started.rest) as rest:
            for place, delta in enumerate(started.first, start=1):
                await reply.feed(delta)
                if place % BURST == 0:  # There may be thousands of thinking deltas before the first word.
                    await asyncio.sleep(0)
            try:
                await _follow(rest, reply, context.limits, name)
            except ModelError as error:
                if reply.finish_reason is None or reply.went_on:
                    raise
                log.info(
                    "the answer was complete, but its stream ended with an error",
                    extra={"model": name, "error": error.code},
                )
    await reply.close()


async def _follow(rest: AsyncGenerator[Delta], reply: Reply, limits: TurnLimits, model: str) -> None:
    """Feed the reply until the stream ends.

    After a finish reason the wait is short, unless text came after an earlier one: then only the end of the
    stream counts.
    """
    async with Pace(model, limits) as pace:
        if reply.finish_reason is not None and not reply.went_on:
            pace.ending()
        async for delta in rest:
            await reply.feed(delta)
            if reply.is_full:
                return
            pace.moved(delta)
            if delta.finish_reason is not None and not reply.went_on:
                pace.ending()
