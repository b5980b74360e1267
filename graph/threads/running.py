"""One turn at a time on a thread. A turn runs in its own task, and its consumers listen to it."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, contextmanager, nullcontext
from typing import Any, Literal

from langgraph.types import StreamWriter

from ...nodes.speech.speech import Speaker
from ...nodes.turn.clock import Clock, SystemClock
from ...nodes.turn.error_facts import error_facts
from ...nodes.turn.events import Event, TurnFailed, TurnFinished, encode_event
from ...nodes.turn.interruption import Interruption
from ...state.agents.thread_keys import thread_name
from ...state.errors import ModelError, ThreadBusy, VoicegraphError
from ...state.schema import ClientMessage

log = logging.getLogger(__name__)


class TurnRun:
    """A run of the graph on a thread, which buffers its stream for listeners.

    When the last listener leaves early, the turn is interrupted and stored, never aborted half-way.
    `thread_id` is the key of its thread.
    """

    def __init__(
        self,
        thread_id: str,
        history: Sequence[ClientMessage] = (),
        watch: Callable[[Any], None] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.thread_id = thread_id
        self._watch = watch
        self.history = history
        """The client's history that the run answers, empty if messages were only added."""
        self.instructions = ""
        """The client's system notes, as in the state."""
        self.speaker = Speaker(clock or SystemClock())
        """What the run has spoken so far."""
        self.asked = time.monotonic()
        """Monotonic time of the request."""
        self.stop = Interruption()
        self.errors: list[VoicegraphError] = []
        """What failed the turn in this process."""
        self.done = asyncio.Event()
        self.claimed = asyncio.Event()
        """Set once the thread is known to belong to the run's actor, or the run has ended."""
        self.begun = asyncio.Event()
        """Set once the run needs no more database access before its first word, or has ended."""
        self.kept = False
        """True if the run may continue without a listener: only storing is left."""
        self.only_events = False
        """True if the steps' events are the only parts of its stream."""
        self.announced = False
        """True once `turn_finished` or `turn_failed` has been sent."""
        self.before: TurnRun | None = None
        """The run that must end first; `None` once it has."""
        self.waiting: Callable[[], AbstractAsyncContextManager[None]] = nullcontext
        """A context active while the run waits for its thread, in which the caller may hear a filler."""
        self._parts: list[Any] = []
        self._more = asyncio.Event()
        self._listeners = 0
        self._afterwards: list[Callable[[], None]] = []
        self._error: BaseException | None = None

    async def drive(self, parts: Callable[[], AsyncGenerator[Any]]) -> None:
        """Wait for the previous turn, then run this one to its end."""
        try:
            if self.before is not None:
                async with self.waiting():
                    await self.before.done.wait()
                self.before = None
            async with aclosing(parts()) as running:  # Close it with this run, not at garbage collection.
                async for part in running:
                    self.tell(part)
        except (asyncio.CancelledError, GeneratorExit) as error:
            self._error = error
            raise
        except BaseException as error:  # It concerns this turn only: the process and other turns continue.
            self._error = error
            if (self.kept or not self._listeners) and not isinstance(error, ModelError):
                log.error(
                    "a turn could not be stored",
                    extra={"thread_id": thread_name(self.thread_id), **error_facts(error)},
                )
                log.debug("why the turn could not be stored", exc_info=error)
        finally:
            self.done.set()
            self.claimed.set()
            self.begun.set()
            self._more.set()
            for call in self._afterwards:
                call()

    def tell(self, part: Any) -> None:
        """Add a part to the run's stream."""
        self._parts.append(part)
        self._more.set()
        self.begun.set()
        if self._watch is not None:
            self._watch(part)

    def send(self, event: Event, writer: StreamWriter) -> None:
        """Send a step's event: by LangGraph's `writer` only if its parts must stay in order with others.

        That writer wakes the event loop through a pipe for each part, which takes longer than all other work
        for a token.
        """
        if isinstance(event, TurnFinished | TurnFailed):
            self.announced = True
        if self.only_events:
            self.tell(event)
        else:
            writer(encode_event(event))

    def interrupt(self, heard: str | None) -> bool:
        """Request the turn to stop; return whether its end will cut the stored reply to `heard`.

        Once the last word has been sent it may be too late for that.
        """
        self.stop.request(heard)
        return heard is not None and not self.announced

    @property
    def has_failed(self) -> bool:
        """True if the run has ended with an error."""
        return self._error is not None

    async def until_begun(self, within: float) -> None:
        """Wait up to `within` seconds until the run has started; raise an error before its first part."""
        try:
            async with asyncio.timeout(within):
                await self.begun.wait()
        except TimeoutError:
            return
        if self._error is not None and not self._parts:
            raise self._error

    def when_done(self, call: Callable[[], None]) -> None:
        """Call `call` when the run has ended, immediately if it already has."""
        if self.done.is_set():
            call()
        else:
            self._afterwards.append(call)

    async def listen(self, tick: float | None = None) -> AsyncGenerator[Any]:
        """Yield the parts of the run's stream from its beginning; raise what it raised.

        Each of several listeners gets the whole stream. With `tick`, `None` comes after that many seconds of
        silence.
        """
        self.expect()
        place = 0
        try:
            while True:
                while place < len(self._parts):
                    place += 1
                    yield self._parts[place - 1]
                if self.done.is_set():
                    break
                self._more.clear()
                try:
                    async with asyncio.timeout(tick):
                        await self._more.wait()
                except TimeoutError:
                    yield None
            if self._error is not None:
                raise self._error
        finally:
            self.part()

    def expect(self) -> None:
        """Reserve a listener; `part` releases it."""
        self._listeners += 1

    def part(self) -> None:
        """Release a listener reserved with `expect`."""
        self._listeners -= 1
        self.drop_unless_heard()

    def drop_unless_heard(self) -> None:
        """Stop the turn if it has no listener and more than storing is left."""
        if not self.kept and not self._listeners and not self.done.is_set():
            self.stop.drop()


class Threads:
    """The running turns of a process, by thread key."""

    def __init__(self, overlap: Literal["newest", "enqueue", "reject"]) -> None:
        self._overlap = overlap
        self._latest: dict[str, TurnRun] = {}
        self._watching: list[set[str]] = []

    def count(self) -> int:
        """Return the number of threads with a running turn."""
        return len(self._latest)

    def all(self) -> list[TurnRun]:
        """Return the newest run of each thread."""
        return list(self._latest.values())

    def running(self, thread_id: str) -> TurnRun | None:
        """Return the newest unfinished run of the thread."""
        run = self._latest.get(thread_id)
        return None if run is None or run.done.is_set() else run

    def chain(self, thread_id: str) -> list[TurnRun]:
        """Return the unfinished runs of the thread, newest first."""
        runs: list[TurnRun] = []
        run = self.running(thread_id)
        while run is not None:
            runs.append(run)
            run = None if run.before is None or run.before.done.is_set() else run.before
        return runs

    def driving(self, thread_id: str) -> TurnRun | None:
        """Return the run of the thread that is executing, not one that waits for it."""
        runs = self.chain(thread_id)
        return runs[-1] if runs else None

    def meant(self, thread_id: str, heard: str | None) -> TurnRun | None:
        """Return the run that an interrupt refers to, given what the caller `heard`.

        A turn that waits for one that is ending is the one the caller waits for; it can have spoken only a
        filler.
        """
        newest, driving = self.running(thread_id), self.driving(thread_id)
        if newest is None or driving is None or not (driving.stop.requested or driving.kept):
            return driving
        return driving if heard and not newest.speaker.spoken else newest

    def enter(self, run: TurnRun) -> None:
        """Queue `run` after the thread's running turn, which is stopped or waited for, or refuse it.

        Raises `ThreadBusy` if it is refused.
        """
        before = self.running(run.thread_id)
        if before is not None and not before.kept:
            if self._overlap == "reject":
                raise ThreadBusy(
                    f"a turn is running on thread '{thread_name(run.thread_id)}': wait for it or interrupt it"
                )
            if self._overlap == "newest":
                before.stop.drop()
        run.before = before
        self._latest[run.thread_id] = run
        for begun in self._watching:
            begun.add(run.thread_id)

    @contextmanager
    def watching(self) -> Generator[set[str]]:
        """Collect the ids of threads on which turns start during the body."""
        begun = set[str]()
        self._watching.append(begun)
        try:
            yield begun
        finally:
            self._watching = [other for other in self._watching if other is not begun]

    def leave(self, run: TurnRun) -> None:
        """Forget a run that has ended."""
        if self._latest.get(run.thread_id) is run:
            del self._latest[run.thread_id]

    def stop_all(self) -> None:
        """Stop all running turns; they still store what was said."""
        for latest in self._latest.values():
            run: TurnRun | None = latest
            while run is not None:
                run.stop.request()
                run = run.before
