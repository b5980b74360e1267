"""Work for a client goes on only as long as the client is there."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.types import Receive

T = TypeVar("T")


async def while_present(work: Coroutine[Any, Any, T], receive: Receive) -> T | None:
    """Return what `work` returns, `None` when the client left first; then it was cancelled and has unwound.

    `receive` gives the messages of a request whose body has been read. Errors of `work` are raised here.
    """
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_leave(receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.wait({working, leaving})
    return None if working.cancelled() else working.result()


async def _leave(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
