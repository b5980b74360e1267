"""Run database calls to completion when their task is cancelled."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def unbroken(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Decorate `function` so that a cancelled call still runs to its end, then raises `CancelledError`.

    A cancelled statement would close its connection while Python still holds a cursor on it, and SQLite would
    keep the write lock until garbage collection. Calls are short: milliseconds, or at worst the busy timeout.
    """

    @wraps(function)
    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        task = asyncio.create_task(function(*args, **kwargs))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await _end_of(task)
            raise

    return call


async def _end_of(task: asyncio.Task[Any]) -> None:
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            continue  # The first cancellation is raised once the task is done.
    if not task.cancelled():
        task.exception()  # Retrieved, so that asyncio does not log it as never retrieved.
