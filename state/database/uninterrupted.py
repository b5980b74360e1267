"""Run database calls to completion when their task is cancelled."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def unbroken(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Decorate `function` so that a cancelled call still runs to its end, then raises `CancelledError`.

    A thread cannot be cancelled, and a cancelled statement of PostgreSQL would cost its connection. Calls are
    short: milliseconds, or at worst the busy timeout.
    """

    @wraps(function)
    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        return await ended(asyncio.create_task(function(*args, **kwargs)))

    return call


async def ended(future: asyncio.Future[T]) -> T:
    """Return the result of `future`; a cancelled call waits for it, then raises `CancelledError`."""
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        while not future.done():
            try:
                await asyncio.wait({future})
            except asyncio.CancelledError:
                continue  # The first cancellation is raised once the future is done.
        if not future.cancelled():
            future.exception()  # Retrieved, so that asyncio does not log it as never retrieved.
        raise
