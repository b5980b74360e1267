"""What a step may reach besides the state: the live objects of one run."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, TypeVar

from langchain_core.messages import AnyMessage
from langgraph.runtime import Runtime
from langgraph.types import StreamWriter
from typing_extensions import TypedDict

from ..state.agents.actors import Actor
from ..state.agents.agents import AgentMemory
from ..state.agents.thread_keys import thread_key
from ..state.errors import VoicegraphError
from ..state.schema import Turn
from ..state.store import Store
from .model.catalog import VoiceModel
from .speech.speech import Speaker
from .tools.toolbox import Toolbox
from .turn.clock import Clock
from .turn.interruption import Interruption
from .turn.limits import TurnLimits

log = logging.getLogger(__name__)

T = TypeVar("T")


class CallContext(TypedDict, total=False):
    """Who speaks with whom: may be given as LangGraph context or in `configurable`; all have defaults."""

    organization: str
    user: str
    agent: str
    """Name or id of the agent."""


class ModelSource(Protocol):
    """Where a step finds a model by its name."""

    def get(self, name: str | None) -> VoiceModel:
        """Return the model, the default one for `None`."""
        ...


class Background:
    """Work that goes on after its turn; whoever owns the process waits for it before it closes."""

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[Any], object] = {}

    def start(
        self, work: Coroutine[Any, Any, T], *, key: object = None, awaited: bool = False
    ) -> asyncio.Task[T]:
        """Run `work` as a task of its own and hold it until it is done.

        Its failure is logged, unless it is `awaited` by code that gets the exception.
        """
        task = asyncio.create_task(work)
        self._tasks[task] = key
        task.add_done_callback(partial(self._ended, awaited))
        return task

    def _ended(self, awaited: bool, task: asyncio.Task[Any]) -> None:
        del self._tasks[task]
        error = None if task.cancelled() else task.exception()
        if error is not None and not awaited:
            name = getattr(task.get_coro(), "__qualname__", "?")
            log.error("work in the background failed: %s in %s", type(error).__name__, name)
            log.debug("why work in the background failed", exc_info=error)

    def runs(self, key: object) -> bool:
        """Tell if work that was started with this `key` is still going on."""
        return key in self._tasks.values()

    async def drain(self, within: float) -> None:
        """Wait for all work, what it starts included, `within` seconds at most, then cancel what is left."""
        deadline = asyncio.get_running_loop().time() + within
        while self._tasks:
            left = deadline - asyncio.get_running_loop().time()
            _, late = await asyncio.wait(set(self._tasks), timeout=max(0.0, left))
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)


@dataclass(slots=True)
class Failure:
    """Why the turn failed."""

    error: VoicegraphError | None = None
    told: bool = False
    """True once the end of the turn was announced."""


@dataclass(slots=True)
class ReadAhead:
    """What was asked of the database before the step that needs it."""

    memory: asyncio.Task[AgentMemory] | None = None


async def _at_once(write: Callable[[], Awaitable[None]]) -> None:
    await write()


async def _nothing() -> None:
    pass


def _not_noted(turn: Turn, messages: Sequence[AnyMessage]) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The live objects of one run of the graph; made by the runner, never stored."""

    store: Store
    models: ModelSource
    toolbox: Toolbox
    limits: TurnLimits
    clock: Clock
    speaker: Speaker
    background: Background
    actor: Actor
    agent: str
    """Name or id of the agent."""
    thread_id: str
    """The name of the thread among those of the actor."""
    resumed: bool
    """True when the run goes on with a turn that a crash left; false when it begins one."""
    firm_at: float = 0.0
    """Before this time, in seconds since the epoch, the request may be dropped as a speculative one."""
    writer: StreamWriter | None = None
    """Takes what the steps tell, in place of LangGraph's own stream; see `writer_of`."""
    consolidate: Callable[[Actor, str], None] = lambda _actor, _agent_id: None
    """Called when messages of the agent left the window; returns at once."""
    storing: Callable[[Callable[[], Awaitable[None]]], Awaitable[None]] = _at_once
    """Carries out a write behind the last word, perhaps several times until the database is back."""
    written: Callable[[], Awaitable[None]] = _nothing
    """Waits until a crash would not undo what was decided so far; raises `StorageError` when it may."""
    begun: Callable[[Turn, Sequence[AnyMessage]], None] = _not_noted
    """Notes what the caller said in the turn, so that a crash does not lose it; returns at once."""
    stop: Interruption = field(default_factory=Interruption)
    failure: Failure = field(default_factory=Failure)
    ahead: ReadAhead = field(default_factory=ReadAhead)

    @property
    def thread_key(self) -> str:
        """What the thread is stored and locked under."""
        return thread_key(self.actor, self.thread_id)

    def read_ahead(self) -> asyncio.Task[AgentMemory]:
        """Begin to read the agent's memory, while LangGraph still reads the checkpoint."""
        task = self.background.start(self.store.agents.memory(self.actor, self.agent), awaited=True)
        self.ahead.memory = task
        return task

    async def memory(self) -> AgentMemory:
        """Return the agent's memory as it is now; the first time as it was when it was read ahead."""
        ahead, self.ahead.memory = self.ahead.memory, None
        return await (ahead or self.store.agents.memory(self.actor, self.agent))

    async def until_firm(self) -> bool:
        """Wait until the request is no more speculative; return false when the turn was stopped first."""
        wait = self.firm_at - self.clock.now()
        if wait > 0 and not self.stop.requested:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.stop.event.wait(), wait)
        return not self.stop.requested


def writer_of(runtime: Runtime[Context]) -> StreamWriter:
    """Return where a step tells its events.

    LangGraph's own writer wakes the event loop through a pipe for each part, which takes longer than all else
    that is done for a token.
    """
    return runtime.context.writer or runtime.stream_writer
