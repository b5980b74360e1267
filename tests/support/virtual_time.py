"""An event loop whose time passes at once: waits of seconds take none, and end in their order."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Jumps to the time of the next timer whenever nothing else is to be done."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        selector: Any = getattr(self, "_selector")  # noqa: B009 - it has no public name
        select = selector.select

        def jump(timeout: float | None = None) -> Any:
            self.now += timeout or 0.0
            return select(0)

        selector.select = jump

    def time(self) -> float:
        return self.now


def run(work: Coroutine[Any, Any, T]) -> tuple[T, float]:
    """Run `work` and return its result, and how many seconds it would have taken."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        result = runner.run(work)
        return result, round(runner.get_loop().time(), 2)
