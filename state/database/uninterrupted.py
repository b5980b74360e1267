"""Calls that a cancelled task cannot break off half-way."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def unbroken(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Let each call of `function` run to its end; who is cancelled meanwhile is so when it has ended.

    A cancelled statement would leave its connection, closed as it is, with a cursor that Python still holds,
    and SQLite would keep the write lock until the garbage collector comes by. Calls are short: milliseconds,
    or the busy time-out at worst.
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
        task.exception()  # Seen, so that asyncio does not complain that nobody looked.
