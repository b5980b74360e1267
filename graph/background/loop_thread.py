"""An event loop in its own thread, for scripts without asyncio."""

import asyncio
import os
import sys
from collections.abc import Generator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from contextvars import Context
from threading import Thread
from typing import Any

from anyio.from_thread import BlockingPortal


@contextmanager
def loop_thread() -> Generator[BlockingPortal]:
    """Yield a portal to a new event loop, which ends after the body.

    anyio's `start_blocking_portal` does the same, but in a process forked in the body, which lacks the
    thread, it would wait for it forever.
    """
    started: Future[BlockingPortal] = Future()
    process = os.getpid()

    async def serve() -> None:
        async with BlockingPortal() as portal:
            started.set_result(portal)
            await portal.sleep_until_stopped()

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    # Since 3.14 a thread may inherit the context of the code that starts it.
    context: dict[str, Any] = {"context": Context()} if sys.version_info >= (3, 14) else {}
    thread = Thread(target=run, daemon=True, name="voicegraph-loop", **context)
    thread.start()
    portal = started.result()
    failed = True
    try:
        yield portal
        failed = False
    finally:
        if os.getpid() == process:
            with suppress(RuntimeError):  # The loop has ended.
                portal.call(portal.stop, failed)
            thread.join()
