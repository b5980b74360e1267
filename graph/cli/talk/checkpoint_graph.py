"""Open the graph for commands that read checkpoints and call no model."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from ....nodes.model.catalog import NOT_CALLED
from ...resources import open_resources
from ...settings import load_settings
from ...turns.build_graph import build_graph
from ...turns.turn_graph import TurnGraph
from ..terminal.storage import url_to_read


@asynccontextmanager
async def open_checkpoint_graph(url: str | None) -> AsyncGenerator[TurnGraph]:
    """Yield the graph over the database; a missing SQLite file is not created."""
    settings = load_settings()
    url = url_to_read(url, settings)
    async with open_resources(url, model=NOT_CALLED, settings=settings) as resources:
        yield build_graph(resources)
