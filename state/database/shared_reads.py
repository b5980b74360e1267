"""Share one database read between callers that ask for the same before it starts."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class SharedReads(Generic[T]):
    """Keys whose read has not started yet."""

    def __init__(self) -> None:
        self._open: dict[Hashable, asyncio.Future[T]] = {}

    async def get(self, key: Hashable, read: Callable[[Callable[[], None]], Coroutine[Any, Any, T]]) -> T:
        """Return the result of `read`, from this call or from a waiting one with the same key.

        `read` receives a function that it must call, from any thread, just before it reads: later callers may
        know of a newer change, so they start a read of their own. Raises what `read` raises.
        """
        answer = self._open.get(key)
        if answer is None:
            answer = asyncio.ensure_future(read(lambda: self._begin(key)))
            self._open[key] = answer
            answer.add_done_callback(lambda done: self._close(key, done))
        return await asyncio.shield(answer)

    def _begin(self, key: Hashable) -> None:
        self._open.pop(key, None)

    def _close(self, key: Hashable, done: asyncio.Future[T]) -> None:
        """Forget a key whose read failed before it started."""
        if self._open.get(key) is done:
            del self._open[key]
