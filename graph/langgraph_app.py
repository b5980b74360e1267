"""The graph for `langgraph dev` and other hosts that load one by its path (see `langgraph.json`)."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from .build import build_graph
from .resources import open_resources
from .turn_graph import TurnGraph


@asynccontextmanager
async def make_graph() -> AsyncGenerator[TurnGraph]:
    """Open the resources that the environment's settings name, and give the graph over them."""
    async with open_resources() as resources:
        yield build_graph(resources)
