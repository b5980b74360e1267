"""The graph for `langgraph dev` and other hosts that load one by its path (see `langgraph.json`)."""

import asyncio
from asyncio import AbstractEventLoop, Future
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from contextvars import Context
from weakref import WeakKeyDictionary

from .resources import open_resources
from .turns.build_graph import build_graph
from .turns.turn_graph import TurnGraph

_opened: WeakKeyDictionary[AbstractEventLoop, Future[TurnGraph]] = WeakKeyDictionary()
_holders: set[asyncio.Task[None]] = set()


@asynccontextmanager
async def make_graph() -> AsyncGenerator[TurnGraph]:
    """Yield the graph over the resources that the environment's settings name.

    Such hosts enter this for every request. The first one opens the resources, and the end of the event loop
    closes them: turns of different requests must share them, and opening takes longer than a turn.
    """
    loop = asyncio.get_running_loop()
    graph = _opened.get(loop)
    if graph is None:
        graph = _opened[loop] = loop.create_future()
        # In its own context: background work belongs to no request.
        holder = loop.create_task(_hold(graph), context=Context())
        _holders.add(holder)
        holder.add_done_callback(_holders.discard)
    yield await asyncio.shield(graph)


async def _hold(graph: Future[TurnGraph]) -> None:
    """Keep the resources open until the loop's end, which cancels this."""
    try:
        async with open_resources() as resources:
            graph.set_result(build_graph(resources))
            await asyncio.Event().wait()
    except Exception as error:
        if graph.done():
            raise
        # The next request tries again.
        _opened.pop(asyncio.get_running_loop())
        graph.set_exception(error)
