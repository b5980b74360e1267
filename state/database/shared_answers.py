"""One look into a database for all who ask the same before it begins, as turns do that begin together."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class SharedAnswers(Generic[T]):
    """The questions whose answer is not being looked up yet."""

    def __init__(self) -> None:
        self._open: dict[Hashable, asyncio.Future[T]] = {}

    async def ask(
        self, question: Hashable, look: Callable[[Callable[[], None]], Coroutine[Any, Any, T]]
    ) -> T:
        """Return what `look` finds, by this call or by one that nobody has begun with.

        `look` is given a function to call, in any thread, just before it looks: who asks from then on may
        know of a later change. Raises what `look` raises.
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
        """Open a question again that failed before anybody looked."""
        if self._open.get(question) is done:
            del self._open[question]
