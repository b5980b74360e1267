"""Open the database for commands that need no model."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from ....state.agents.actors import Actor
from ....state.agents.agents import DEFAULT_AGENT
from ....state.conversations.crash_records import record_dead
from ....state.database.location import parse_location
from ....state.store import Store, open_store
from ...settings import Settings, load_settings

_EMPTY = "sqlite:///:memory:"


def url_to_read(url: str | None, settings: Settings) -> str:
    """Return the URL of the database, or that of an empty one if the file does not exist.

    Reading must not create a file.
    """
    url = url or settings.url()
    path = parse_location(url).path
    return _EMPTY if path is not None and not path.exists() else url


@asynccontextmanager
async def reading(url: str | None) -> AsyncGenerator[Store]:
    """Open the database to read; turns that a crash cut off are recorded first."""
    store = await open_store(url_to_read(url, load_settings()))
    try:
        await record_dead(store.database)
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def searching(url: str | None, embedder: str | None = None) -> AsyncGenerator[Store]:
    """Open the database to search, with this embedder or the one from the settings, if any."""
    from ....nodes.model.embedder import open_embedder

    settings = load_settings(embedder=embedder)
    async with open_embedder(settings.embedder) as model:
        store = await open_store(
            url_to_read(url, settings), embedder=model, embed_deadline=settings.embed_deadline
        )
        try:
            await record_dead(store.database)
            yield store
        finally:
            await store.close()


@asynccontextmanager
async def writing(url: str | None) -> AsyncGenerator[Store]:
    """Open the database to write; it is created if missing."""
    store = await open_store(url or load_settings().url())
    try:
        yield store
    finally:
        await store.close()


async def ensured_agent(store: Store, actor: Actor, name: str) -> str:
    """Return the id of the agent; the default agent is created if missing."""
    if name == DEFAULT_AGENT:
        return (await store.agents.ensure_default(actor)).id
    return (await store.agents.get(actor, name)).id
