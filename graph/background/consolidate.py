"""Consolidation as a small graph, and its background runs: at most one per agent."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from ...nodes.context import ModelSource
from ...nodes.memory.consolidation import (
    ConsolidationContext,
    ConsolidationState,
    after_keeping,
    after_reading,
    keep,
    read_due,
    settle,
    think,
)
from ...nodes.turn.limits import TurnLimits
from ...state.agents.actors import Actor
from ...state.conversations.due_messages import agents_with_due_messages
from ...state.database.name_locks import NameLocks
from ...state.errors import InvalidSetting, VoicegraphError
from ...state.store import Store
from .worker import Worker

log = logging.getLogger(__name__)

FIRST_RETRY = 30.0
"""Seconds before the first retry after a model failure; doubled each time, up to `LONGEST_RETRY`."""
LONGEST_RETRY = 3600.0
_LOOK_AGAIN = 1.0
"""Seconds between attempts to start while another process consolidates the agent."""
_WHAT = "consolidation"
_NOTHING = ConsolidationState(due=[], messages=[], rounds=0, finished=False, kept=[], settled=True)


@lru_cache  # Compiling takes 10 ms, and the graph has no per-process state.
def build_consolidation() -> CompiledStateGraph[Any, Any, Any, Any]:
    """Return the graph that consolidates one batch of an agent's pending messages."""
    graph = StateGraph(ConsolidationState, ConsolidationContext)

    graph.add_node("read_due", read_due)
    graph.add_node("think", think)
    graph.add_node("keep", keep)
    graph.add_node("settle", settle)

    graph.add_edge(START, "read_due")
    graph.add_conditional_edges("read_due", after_reading)
    graph.add_edge("think", "keep")
    graph.add_conditional_edges("keep", after_keeping)
    graph.add_edge("settle", END)

    return graph.compile(name="consolidation")


class Consolidator:
    """Consolidates in the background, without disturbing turns.

    By `locks` one process at a time consolidates an agent. On SQLite, which has none, two processes may ask
    their models the same, and only the first answer counts.
    """

    def __init__(self, store: Store, models: ModelSource, limits: TurnLimits, locks: NameLocks) -> None:
        self._store, self._models, self._limits, self._locks = store, models, limits, locks
        self._workers: dict[str, Worker] = {}

    def wake(self, actor: Actor, agent_id: str) -> None:
        """Consolidate the agent's pending messages in the background."""
        self._workers = {id_: worker for id_, worker in self._workers.items() if worker.is_running}
        if agent_id not in self._workers:
            self._workers[agent_id] = self._worker(actor, agent_id)
        self._workers[agent_id].wake()

    async def wake_all(self) -> None:
        """Consolidate what earlier processes left pending."""
        for actor, agent_id in await agents_with_due_messages(self._store.database):
            self.wake(actor, agent_id)

    async def consolidate(
        self, actor: Actor, agent_id: str, progress: Callable[[int], None] = lambda _: None
    ) -> int:
        """Consolidate all pending messages of an agent now, and return their number.

        `progress` is called with the number so far after each batch. Raises `ModelError`, and
        `InvalidSetting` if the memory model calls no tools.
        """
        agent = await self._store.agents.get(actor, agent_id)
        model = self._models.get(self._limits.memory_model or agent.model)
        context = ConsolidationContext(store=self._store, model=model, actor=actor, agent_id=agent.id)
        if not model.calls_tools:
            raise InvalidSetting(
                f"'{model.name}' calls no tools, so it cannot consolidate: set memory_model to one that does"
            )
        async with self._alone(agent.id):
            done = 0
            while True:
                result: dict[str, Any] = await build_consolidation().ainvoke(_NOTHING, context=context)
                if not result["due"]:
                    return done
                if result["settled"]:
                    done += len(result["due"])
                    progress(done)

    @asynccontextmanager
    async def _alone(self, agent_id: str) -> AsyncGenerator[None]:
        """Wait until no other process consolidates the agent, and exclude all others during the body."""
        while not await self._locks.lock(_WHAT, agent_id):  # noqa: ASYNC110 - Another process frees it.
            await asyncio.sleep(_LOOK_AGAIN)
        try:
            yield
        finally:
            await self._locks.unlock(_WHAT, agent_id)

    async def close(self) -> None:
        """Stop; the rest stays pending until the next start."""
        for worker in self._workers.values():
            await worker.close()

    def _worker(self, actor: Actor, agent_id: str) -> Worker:
        async def work() -> bool:
            await self.consolidate(actor, agent_id)
            return False

        def failed(error: Exception, pause: float) -> bool:
            known = isinstance(error, VoicegraphError)
            code = error.code if known else type(error).__name__
            log.warning("consolidation failed", extra={"agent_id": agent_id, "error": code})
            return known and error.retryable

        pauses = (FIRST_RETRY, LONGEST_RETRY)
        return Worker(work, failed, pauses=pauses, delay=self._limits.consolidate_after)
