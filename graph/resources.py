"""The resources that a process shares among its graphs: opened, owned and closed here."""

from collections.abc import AsyncGenerator, Generator, Iterable
from contextlib import (
    AsyncExitStack,
    ExitStack,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass

from anyio.from_thread import BlockingPortal
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel

from ..nodes.context import Background
from ..nodes.model.catalog import Models, default_model
from ..nodes.model.embedder import open_embedder
from ..nodes.tools.built_in.catalog import COMMON_TOOLS
from ..nodes.tools.toolbox import Toolbox, ToolSource
from ..nodes.turn.clock import Clock, SystemClock
from ..state.checkpoints.checkpointer import Checkpointer
from ..state.open import open_checkpointer
from ..state.store import Store, open_store
from .background.consolidate import Consolidator
from .background.embedding import BackgroundEmbedding
from .background.indexing import BackgroundIndexing
from .background.loop_thread import loop_thread
from .settings import Settings, load_settings
from .threads.crashed_turns import CrashedTurns
from .threads.known_threads import KnownThreads
from .threads.open_owner import open_owner
from .threads.owner import ThreadOwner
from .threads.running import Threads
from .threads.turn_storage import TurnStorage


@dataclass(kw_only=True)
class Resources:
    """Database, checkpoints, models and tools of a process, opened by `open_resources`."""

    settings: Settings
    store: Store
    checkpointer: Checkpointer
    models: Models
    toolbox: Toolbox
    clock: Clock
    threads: Threads
    """The running turns of this process."""
    known: KnownThreads
    owner: ThreadOwner
    storage: TurnStorage
    consolidator: Consolidator
    embedding: BackgroundEmbedding
    indexing: BackgroundIndexing
    crashed: CrashedTurns
    background: Background
    portal: BlockingPortal | None = None
    """Portal to the event loop for scripts without asyncio; set by `open_resources_sync`."""

    async def end_turns(self) -> None:
        """Stop all turns, wait until they are stored, and end the background work."""
        self.threads.stop_all()
        self.storage.end_in(self.settings.shutdown_seconds)
        try:
            await self.background.drain(self.settings.shutdown_seconds)
        finally:  # After the turns, whose ends wake them.
            await self.crashed.close()
            await self.owner.journaling.close()
            await self.consolidator.close()
            await self.embedding.close()


@asynccontextmanager
async def open_resources(
    url: str | None = None,
    *,
    model: str | BaseChatModel | None = None,
    tools: Iterable[ToolSource] = (),
    embedder: str | Embeddings | None = None,
    settings: Settings | None = None,
    clock: Clock | None = None,
) -> AsyncGenerator[Resources]:
    """Open database, checkpoints and models, and close them on exit.

    `url`: `sqlite:///path` (the user's data folder when `None`). `model`: `openai:NAME`, `local:smollm2` or
    any LangChain chat model (OpenAI's with a key, else the embedded one, when `None`). `tools`: LangChain
    tools, typed functions or paths `package.module:function`, offered to every agent in addition to the
    clock. `embedder`: `openai:NAME`, a path `package.module:factory` or any LangChain `Embeddings` (the
    setting's, else none, when `None`); searches then go by meaning too, and vectors are computed in the
    background. Turns that still run on exit are stopped and stored.

    Raises `InvalidSetting` and `StorageError`; everything opened until then is closed.
    """
    settings = settings or load_settings()
    url = url or settings.url()
    async with AsyncExitStack() as stack:
        toolbox = Toolbox([*COMMON_TOOLS, *tools])
        models = Models(model or settings.model or default_model())
        stack.push_async_callback(models.aclose)
        await models.ready()
        vectors = await stack.enter_async_context(open_embedder(embedder or settings.embedder))
        connections = settings.database_connections // 2
        store = await open_store(
            url, embedder=vectors, embed_deadline=settings.embed_deadline, connections=connections
        )
        stack.push_async_callback(store.close)
        opening = open_checkpointer(
            store.database.location, connections=connections, health=store.database.health
        )
        checkpointer = await stack.enter_async_context(opening)
        threads, background = Threads(settings.overlap), Background()
        known, storage = KnownThreads(store, threads), TurnStorage(checkpointer, threads, settings)
        owner = await stack.enter_async_context(
            open_owner(store, threads, known, storage, background, settings)
        )
        embedding = BackgroundEmbedding(store.embedding)
        resources = Resources(
            settings=settings,
            store=store,
            checkpointer=checkpointer,
            models=models,
            toolbox=toolbox,
            clock=clock or SystemClock(),
            threads=threads,
            known=known,
            owner=owner,
            storage=storage,
            consolidator=Consolidator(store, models, settings, owner.locks),
            embedding=embedding,
            indexing=BackgroundIndexing(store, embedding, background),
            crashed=CrashedTurns(owner.journaling, threads, owner),
            background=background,
        )
        resources.background.start(resources.consolidator.wake_all())
        resources.indexing.wake()
        resources.crashed.start(resources.indexing.wake)
        try:
            yield resources
        finally:
            await resources.end_turns()


@contextmanager
def open_resources_sync(
    url: str | None = None,
    *,
    model: str | BaseChatModel | None = None,
    tools: Iterable[ToolSource] = (),
    embedder: str | Embeddings | None = None,
    settings: Settings | None = None,
    clock: Clock | None = None,
) -> Generator[Resources]:
    """Open resources for a script without asyncio: graphs built on them have `invoke` and `stream`.

    The event loop runs in its own thread. A process forked in the body lacks that thread: its graphs raise
    `InvalidSetting`. Takes and raises what `open_resources` does.
    """
    with loop_thread() as portal, ExitStack() as stack:
        opened = open_resources(
            url, model=model, tools=tools, embedder=embedder, settings=settings, clock=clock
        )
        resources = stack.enter_context(portal.wrap_async_context_manager(opened))
        resources.portal = portal
        try:
            yield resources
        finally:
            if not resources.store.database.opened_in.this_process:
                stack.pop_all()  # The thread that would close them exists only in the parent process.
