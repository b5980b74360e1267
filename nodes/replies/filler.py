"""Speak a filler when the line has been silent for too long."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from ..context import Context


@asynccontextmanager
async def fill_silence(context: Context, until: Callable[[], bool] = lambda: False) -> AsyncGenerator[None]:
    """Speak the filler once while the body waits, if nothing is heard for `filler_after` seconds.

    Silence is measured from the last word, so a tool and the model call after it share one wait. No filler is
    spoken once `until` is true.
    """
    after = context.limits.filler_after
    if after is None:
        yield
        return
    watch = asyncio.create_task(_speak_filler(context, after, until))
    try:
        yield
    finally:
        watch.cancel()
        await asyncio.wait({watch})


async def _speak_filler(context: Context, after: float, until: Callable[[], bool]) -> None:
    speaker = context.speaker
    while (left := speaker.quiet_since + after - time.monotonic()) > 0:  # noqa: ASYNC110 - each word moves the time
        await asyncio.sleep(left)
    if not until():
        await speaker.fill(context.limits.filler)
