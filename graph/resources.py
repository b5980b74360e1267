"""The resources that a process shares among its graphs: opened, owned and closed here."""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Generator, Iterable
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    ExitStack,
    asynccontextmanager,
    contextmanager,
    nullcontext,
)
from dataclasses import dataclass, field
from typing import Literal
from weakref import WeakValueDictionary

from anyio.from_thread import BlockingPortal
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel

from ..nodes.context import Background
from ..nodes.model.catalog import LOCAL_MODEL, Models, default_model
from ..nodes.model.embedder import open_embedder
from ..nodes.tools.built_in.catalog import COMMON_TOOLS
from ..nodes.tools.toolbox import Toolbox, ToolSource
from ..nodes.turn.clock import Clock, SystemClock
from ..state.agents.actors import Actor
from ..state.agents.agents import DEFAULT_AGENT
from ..state.agents.thread_keys import thread_key, thread_name
from ..state.checkpoints.checkpointer import Checkpointer
from ..state.errors import StorageError
from ..state.open import open_checkpointer, open_leases
from ..state.sqlite.process_lock import process_lock
from ..state.store import Store, open_store
from .background.consolidate import Consolidator
from .background.embedding import BackgroundEmbedding
from .background.indexing import BackgroundIndexing
from .background.loop_thread import loop_thread
from .settings import Settings, load_settings
from .threads.crashed_turns import CrashedTurns
from .threads.journaling import Journaling
from .threads.other_processes import OtherProcesses
from .threads.running import Threads, TurnRun

log = logging.getLogger(__name__)

MOST_KNOWN_THREADS = 20_000
"""Threads whose owner a process caches (about 10 MB); for others it asks the database again."""


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
    consolidator: Consolidator
    embedding: BackgroundEmbedding
    indexing: BackgroundIndexing
    journaling: Journaling
    crashed: CrashedTurns
    background: Background
    portal: BlockingPortal | None = None
    """Portal to the event loop for scripts without asyncio; set by `open_resources_sync`."""
    others: OtherProcesses | None = None
    """Other processes that serve the same threads: on PostgreSQL."""
    heads: dict[str, str] = field(default_factory=dict[str, str])
    """The newest checkpoint of each thread, by key, as this process's last turn left it."""
    stores_until: float = float("inf")
    """Monotonic time at which retries of storing end."""
    _owners: OrderedDict[str, tuple[Actor, str, str]] = field(
        default_factory=OrderedDict[str, tuple[Actor, str, str]]
    )
    _not_begun: dict[str, Literal["cold", "new"]] = field(default_factory=dict[str, Literal["cold", "new"]])
    _admitting: WeakValueDictionary[str, asyncio.Lock] = field(
        default_factory=WeakValueDictionary[str, asyncio.Lock]
    )

    async def claim(
        self, actor: Actor, agent: str, thread_id: str, *, is_new: bool | None = None
    ) -> tuple[str, Literal["warm", "cold", "new"]]:
        """Claim the thread for this agent of this actor; return the agent, and how well the thread is known.

        An empty `agent` means the thread's own, or the default one for a new thread. Asks the database once
        per thread: owners never change. Callers that have already looked pass `is_new`. The thread is `warm`
        once a turn has started on it here, `cold` if an earlier process used it, else `new`. Raises
        `AgentNotFound`, `ThreadTaken`.
        """
        key = thread_key(actor, thread_id)
        owner = self._owners.get(key)
        if owner is not None and self._is_owner(actor, agent, key):
            self._owners.move_to_end(key)
            return owner[1], self._not_begun.get(key, "warm")
        await self.store.actors.ensure(actor)
        known: Literal["cold", "new"] = "new" if is_new else "cold"
        if is_new is None:
            found = (await self.store.threads.agents_of(actor, [thread_id])).get(thread_id)
            known = "new" if found is None else "cold"
            agent = agent or (found[1] if found else DEFAULT_AGENT)
        if agent == DEFAULT_AGENT:
            await self.store.agents.ensure_default(actor)
        owner_id = (await self.store.agents.get(actor, agent)).id
        await self.store.threads.claim(actor, owner_id, thread_id)
        if key not in self._owners:  # A concurrent request may have started its turn by now.
            self._not_begun[key] = known
        self._owners[key] = (actor, agent, owner_id)
        self._forget_the_oldest()
        return agent, known

    async def admit(self, actor: Actor, agent: str, thread_id: str) -> None:
        """Wait until a new turn may stop the thread's running one; raise if it is another agent's.

        Waits while the owner of the running turn is being looked up; waiters proceed in order. Raises what
        `claim` does.
        """
        key = thread_key(actor, thread_id)
        running = self.threads.running(key)
        if running is None and key not in self._owners:
            return  # There is nothing to stop.
        if key not in self._admitting and self._is_owner(actor, agent, key):
            return
        async with self._admitting.setdefault(key, asyncio.Lock()):
            if running is not None:
                await running.claimed.wait()
            await self.claim(actor, agent, thread_id)

    def _is_owner(self, actor: Actor, agent: str, key: str) -> bool:
        owner = self._owners.get(key)
        return owner is not None and owner[0] == actor and agent in ("", owner[1])

    def look_around(self) -> None:
        """Treat as `cold` every thread that another process may have used since its last turn here.

        Only for an SQLite file: on PostgreSQL a thread's lease shows it.
        """
        if self.journaling.has_been_visited():
            self._not_begun = {**dict.fromkeys(self._owners, "cold"), **self._not_begun}

    def _forget_the_oldest(self) -> None:
        if len(self._owners) > MOST_KNOWN_THREADS:
            idle = (known for known in self._owners if self.threads.running(known) is None)
            self.forget_thread(next(idle, ""))

    def owns(self, actor: Actor, agent: str, thread_id: str) -> bool:
        """Return whether the thread of this name or key is known to belong to this agent of this actor."""
        return self._owners.get(thread_key(actor, thread_id), ())[:2] == (actor, agent)

    def owner_ids(self, key: str) -> tuple[str, str, str] | None:
        """Return the ids of the thread's organization, user and agent, as far as they are known here."""
        owner = self._owners.get(key)
        return None if owner is None else (owner[0].organization_id, owner[0].user_id, owner[2])

    def begun(self, key: str) -> None:
        """Note that a turn has started on the thread: this process now knows its checkpoints."""
        self._not_begun.pop(key, None)

    def forget_thread(self, key: str) -> None:
        """Drop what is cached about the thread, after it was deleted or a run failed."""
        self._owners.pop(key, None)
        self.heads.pop(key, None)
        self._not_begun.pop(key, None)

    def index(self) -> None:
        """Bring the search index up to date in the background."""
        self.indexing.wake()

    def owning(self, run: TurnRun) -> AbstractAsyncContextManager[object]:
        """Keep other processes off the run's thread during the body; their running turn ends first."""
        return nullcontext() if self.others is None else self.others.owning(run, "enqueue")

    async def end_turns(self) -> None:
        """Stop all turns, wait until they are stored, and end the background work."""
        self.threads.stop_all()
        self.stores_until = time.monotonic() + self.settings.shutdown_seconds
        try:
            await self.background.drain(self.settings.shutdown_seconds)
        finally:  # After the turns, whose ends wake them.
            await self.crashed.close()
            await self.journaling.close()
            await self.consolidator.close()
            await self.embedding.close()

    async def prune(self, key: str) -> None:
        """Delete the thread's old checkpoints; after a failure the next turn tries again."""
        try:
            await self.checkpointer.prune_soon(key, self.settings.checkpoints_kept)
        except StorageError:
            log.warning("old checkpoints were not deleted", extra={"thread_id": thread_name(key)})


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
        if models.default == LOCAL_MODEL:
            models.get(None)  # Loading takes a second: do it now, not in the first turn.
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
        leases = await stack.enter_async_context(open_leases(store.database.location))
        others = leases and OtherProcesses(leases, threads, background, settings.overlap)
        embedding = BackgroundEmbedding(store.embedding)
        lock = await stack.enter_async_context(process_lock(store.database.location))
        journaling = Journaling(store.journal, lock, background, checkpointer, enabled=bool(lock or leases))
        resources = Resources(
            settings=settings,
            store=store,
            checkpointer=checkpointer,
            models=models,
            toolbox=toolbox,
            clock=clock or SystemClock(),
            threads=threads,
            consolidator=Consolidator(store, models, settings, leases),
            embedding=embedding,
            indexing=BackgroundIndexing(store, embedding, background),
            journaling=journaling,
            crashed=CrashedTurns(journaling, threads, leases),
            background=background,
            others=others,
        )
        resources.background.start(resources.consolidator.wake_all())
        resources.index()
        resources.crashed.start(resources.index)
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
