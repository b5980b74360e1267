"""The live objects of one run, which the steps use besides the state."""

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
from .turn.events import Event, encode_event
from .turn.interruption import Interruption
from .turn.limits import TurnLimits

log = logging.getLogger(__name__)

T = TypeVar("T")


class CallContext(TypedDict, total=False):
    """The parties of a call, given as LangGraph context or in `configurable`; all have defaults."""

    organization: str
    user: str
    agent: str
    """Name or id of the agent."""


class ModelSource(Protocol):
    """Provides models by name."""

    def get(self, name: str | None) -> VoiceModel:
        """Return the model, or the default one for `None`."""
        ...


class Background:
    """Work that continues after its turn; the owner drains it before closing."""

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[Any], object] = {}

    def start(
        self, work: Coroutine[Any, Any, T], *, key: object = None, awaited: bool = False
    ) -> asyncio.Task[T]:
        """Run `work` in a new task, referenced until it is done.

        Its failure is logged, unless code has `awaited` it and gets the exception.
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
        """Return whether work started with this `key` is still running."""
        return key in self._tasks.values()

    async def drain(self, within: float) -> None:
        """Wait for all work, including what it starts, at most `within` seconds, then cancel the rest."""
        deadline = asyncio.get_running_loop().time() + within
        while self._tasks:
            left = deadline - asyncio.get_running_loop().time()
            _, late = await asyncio.wait(set(self._tasks), timeout=max(0.0, left))
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)


@dataclass(slots=True)
class ReadAhead:
    """Database reads started before the step that needs them."""

    memory: asyncio.Task[AgentMemory] | None = None


def _write(event: Event, writer: StreamWriter) -> None:
    writer(encode_event(event))


async def _at_once(write: Callable[[], Awaitable[None]]) -> None:
    await write()


async def _nothing() -> None:
    pass


def _not_noted(turn: Turn, messages: Sequence[AnyMessage]) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The live objects of one run of the graph, created by the runner and never stored."""

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
    """The name of the thread, unique for the actor."""
    resumed: bool
    """True if the run resumes a turn that a crash cut off, false if it starts one."""
    firm_at: float = 0.0
    """Time in seconds since the epoch before which the request may turn out to be speculative."""
    send: Callable[[Event, StreamWriter], None] = _write
    """Sends an event of a step, by LangGraph's writer or without it; see `writer_of`."""
    consolidate: Callable[[Actor, str], None] = lambda _actor, _agent_id: None
    """Called when messages of the agent have left the window; returns at once."""
    storing: Callable[[Callable[[], Awaitable[None]]], Awaitable[None]] = _at_once
    """Performs a write after the last word, with retries while the database is unreachable."""
    written: Callable[[], Awaitable[None]] = _nothing
    """Waits until a crash cannot undo what was decided so far; raises `StorageError` if it still may."""
    begun: Callable[[Turn, Sequence[AnyMessage]], None] = _not_noted
    """Journals the turn's user message, so that a crash does not lose it; returns at once."""
    failed: Callable[[VoicegraphError], None] = lambda _error: None
    """Called with the error that fails the turn, which the setting `raise_errors` raises at its end."""
    stop: Interruption = field(default_factory=Interruption)
    ahead: ReadAhead = field(default_factory=ReadAhead)

    @property
    def thread_key(self) -> str:
        """The key under which the thread is stored and locked."""
        return thread_key(self.actor, self.thread_id)

    def read_ahead(self) -> asyncio.Task[AgentMemory]:
        """Start reading the agent's memory while LangGraph reads the checkpoint."""
        task = self.background.start(self.store.agents.memory(self.actor, self.agent), awaited=True)
        self.ahead.memory = task
        return task

    async def memory(self) -> AgentMemory:
        """Return the agent's current memory; the first time, what was read ahead."""
        ahead, self.ahead.memory = self.ahead.memory, None
        return await (ahead or self.store.agents.memory(self.actor, self.agent))

    async def until_firm(self) -> bool:
        """Wait until the request cannot be speculative; return false if the turn was stopped first."""
        wait = self.firm_at - self.clock.now()
        if wait > 0 and not self.stop.requested:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.stop.event.wait(), wait)
        return not self.stop.requested


def writer_of(runtime: Runtime[Context]) -> Callable[[Event], None]:
    """Return the function that sends a step's events."""
    send, writer = runtime.context.send, runtime.stream_writer
    return lambda event: send(event, writer)
