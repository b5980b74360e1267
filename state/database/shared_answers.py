"""Share one database read between callers that ask for the same before it starts."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class SharedAnswers(Generic[T]):
    """Questions whose read has not started yet."""

    def __init__(self) -> None:
        self._open: dict[Hashable, asyncio.Future[T]] = {}

    async def ask(
        self, question: Hashable, look: Callable[[Callable[[], None]], Coroutine[Any, Any, T]]
    ) -> T:
        """Return the result of `look`, from this call or from a waiting one with the same question.

        `look` receives a function that it must call, from any thread, just before it reads: later callers may
        know of a newer change, so they start a read of their own. Raises what `look` raises.
        """
        answer = self._open.get(question)
        if answer is None:
            answer = asyncio.ensure_future(look(lambda: self._begin(question)))
            self._open[question] = answer
            answer.add_done_callback(lambda done: self._close(question, done))
        return await asyncio.shield(answer)

    def _begin(self, question: Hashable) -> None:
        self._open.pop(question, None)

    def _close(self, question: Hashable, done: asyncio.Future[T]) -> None:
        """Forget a question whose read failed before it started."""
        if self._open.get(question) is done:
            del self._open[question]
