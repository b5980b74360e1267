"""Run a tool's plain function in a thread of its own."""

import asyncio
import contextvars
import logging
import threading
from collections.abc import Callable
from typing import Any

log = logging.getLogger(__name__)


async def in_thread(work: Callable[[], Any]) -> Any:
    """Run `work` in a daemon thread of its own and return its result.

    Not in the loop's executor: its few threads would make slow tools wait for each other, and one that
    hangs would hold the process at its exit.
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
        except BaseException as error:  # Handed to the task that waits.
            outcome = None, error
        try:
            loop.call_soon_threadsafe(settle, outcome)
        except RuntimeError:  # The loop has closed: nobody waits any more.
            log.warning("a tool ended after its process had closed")

    threading.Thread(target=run, daemon=True, name="voicegraph-tool").start()
    value, error = await result
    if error is not None:
        raise error
    return value
