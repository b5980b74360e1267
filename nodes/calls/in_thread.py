"""Run a tool's synchronous function in its own thread."""

import asyncio
import contextvars
import logging
import threading
from collections.abc import Callable
from typing import Any

log = logging.getLogger(__name__)


async def in_thread(work: Callable[[], Any]) -> Any:
    """Run `work` in a new daemon thread and return its result.

    Not in the loop's executor, whose few threads would make slow tools wait for each other; one that hangs
    would block the exit of the process.
    """
    loop = asyncio.get_running_loop()
    result: asyncio.Future[tuple[Any, BaseException | None]] = loop.create_future()
    context = contextvars.copy_context()

    def settle(outcome: tuple[Any, BaseException | None]) -> None:
        if not result.done():
            result.set_result(outcome)

    def run() -> None:
        try:
            outcome = context.run(work), None
        except BaseException as error:  # Passed to the waiting task.
            outcome = None, error
        try:
            loop.call_soon_threadsafe(settle, outcome)
        except RuntimeError:  # The loop is closed: no task waits any more.
            log.warning("a tool ended after the event loop was closed")

    threading.Thread(target=run, daemon=True, name="voicegraph-tool").start()
    value, error = await result
    if error is not None:
        raise error
    return value
