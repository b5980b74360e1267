"""Start a completion: deadlines, retries, fallback models, and a second request if one is late.

Everything here happens before the first token. After it nothing is retried: the caller has heard it.
"""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from ...state.errors import ContextTooLong, ModelError, ModelProtocolError, ModelTimeout, ModelUnavailable
from ..turn.error_facts import error_facts
from ..turn.limits import TurnLimits
from ..turn.turn_facts import note_facts
from .catalog import VoiceModel
from .completion import Request, stream_completion
from .pacing import Pace
from .stream.delta import Delta

log = logging.getLogger(__name__)

_BACKOFF = 0.25
_LONGEST_BACKOFF = 2.0
_MOST_REQUESTS = 3
"""Maximum number of concurrent requests for one late completion."""


@dataclass(frozen=True, slots=True)
class Started:
    """A started completion: the deltas up to its first token, and the stream of the rest."""

    model: VoiceModel
    first: list[Delta]
    rest: AsyncGenerator[Delta]


async def start_completion(
    models: Sequence[VoiceModel],
    request: Callable[[VoiceModel], Request],
    limits: TurnLimits,
    thread_id: str = "",
) -> Started:
    """Return the first completion that starts; the caller closes its stream.

    Tries each model in order, up to `model_attempts` times while its errors are retryable, within the latency
    budget. While a model thinks, nothing else is tried. Raises the last `ModelError` if none starts,
    `ContextTooLong` at once.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + limits.latency_budget * models[0].patience
    last: ModelError = ModelUnavailable("no model answered in time")
    for place, model in enumerate(models):
        others = len(models) - place - 1
        for attempt in range(limits.model_attempts):
            left = deadline - loop.time()
            if left <= 0:
                raise last
            patience = min(left / (1 + others), _patience(model, limits))
            note_facts(model=model.name)
            try:
                return await _attempt(model, request(model), limits, patience)
            except ContextTooLong:
                raise
            except ModelError as error:
                last = error
                log.warning(
                    "model attempt failed",
                    extra={
                        "model": model.name,
                        "thread_id": thread_id,
                        "attempt": attempt + 1,
                        **error_facts(error),
                    },
                )
            silent = isinstance(last, ModelTimeout) and others
            if not last.retryable or silent or attempt + 1 == limits.model_attempts:
                break
            wait = _wait_before_retry(attempt, last)
            if loop.time() + wait >= deadline:
                break
            await asyncio.sleep(wait)
    raise last


def _patience(model: VoiceModel, limits: TurnLimits) -> float:
    return limits.first_token_timeout * model.patience


def _wait_before_retry(attempt: int, error: ModelError) -> float:
    """Return the seconds to wait: exponential with jitter, but at least what the provider asked for."""
    backoff = min(_LONGEST_BACKOFF, _BACKOFF * 2**attempt) * random.uniform(0.5, 1.0)
    asked = error.retry_after if isinstance(error, ModelUnavailable) else None
    return max(backoff, asked or 0.0)


async def _attempt(model: VoiceModel, request: Request, limits: TurnLimits, patience: float) -> Started:
    lives = asyncio.Event()

    async def begin() -> Started:
        return await _begin(model, request, limits, patience, lives)

    if limits.hedge_after is None:
        return await begin()
    return await _first_to_speak(begin, limits.hedge_after, lives)


async def _begin(
    model: VoiceModel, request: Request, limits: TurnLimits, patience: float, lives: asyncio.Event
) -> Started:
    """Open a stream and read up to its first word or call; `lives` is set on the first data.

    The first data must come within `patience` seconds; then the limits on stalls and thinking apply.
    """
    stream = stream_completion(model, request, thoughts_first=limits.thoughts_first)
    first: list[Delta] = []
    try:
        async with Pace(model.name, limits, patience) as pace:
            async for delta in stream:
                first.append(delta)
                if delta.begins or delta.finish_reason in ("length", "content_filter"):
                    return Started(model, first, stream)
                if delta.thinking:
                    lives.set()
                pace.moved(delta)
    except BaseException:
        await stream.aclose()
        raise
    raise ModelProtocolError(f"{model.name}: the answer was empty")


async def _first_to_speak(
    begin: Callable[[], Coroutine[Any, Any, Started]], hedge_after: float, lives: asyncio.Event
) -> Started:
    """Race further requests against a late one; the losers' connections are closed at once.

    The third covers the case that the second is late too: with one request in ten slow, that is one turn in a
    hundred. A thinking model is not late.
    """
    running = {asyncio.create_task(begin())}
    begun, error = 1, None
    try:
        while running:
            timeout = hedge_after if begun < _MOST_REQUESTS and not lives.is_set() else None
            done, _ = await asyncio.wait(running, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                if not lives.is_set():
                    running.add(asyncio.create_task(begin()))
                    begun += 1
                continue
            running -= done
            winners = [task.result() for task in done if task.exception() is None]
            for spare in winners[1:]:
                await spare.rest.aclose()
            if winners:
                return winners[0]
            error = next(task.exception() for task in done)
    finally:
        for task in running:
            task.cancel()
        await _close_losers(running)
    assert error is not None
    raise error


async def _close_losers(tasks: set[asyncio.Task[Started]]) -> None:
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Started):
            await outcome.rest.aclose()
