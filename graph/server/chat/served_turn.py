"""Turns started by HTTP requests; identical concurrent requests share one turn."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from uuid import uuid4

from ....nodes.turn.error_facts import error_facts
from ....nodes.turn.events import Event, Speech, TurnFailed, TurnFinished, decode_event
from ....state.agents.actors import Actor
from ....state.agents.thread_keys import thread_key, thread_name
from ....state.errors import StorageError
from ....state.usage import Usage
from ...threads.running import TurnRun
from ...turns.broken_turn import failed_turn
from ...turns.run import events_of
from ...turns.turn_graph import TurnGraph
from ..access.running_turns import RunningTurns
from ..operation.metrics import Metrics
from ..thread_lookup.continued_thread import ContinuedThreads
from ..thread_lookup.thread_ids import thread_of
from .chat_request import ChatRequest
from .conversation_style import Styles
from .request_order import OrderedRequest, RequestOrder
from .spoken_failure import is_away

log = logging.getLogger(__name__)

_TIME_TO_JOIN = 1.0
"""Seconds in which another request may join a turn whose client left before it started."""

_TIME_TO_BEGIN = 6.0
"""Seconds after which headers are sent, even if the turn still waits for its thread or the database."""

_PATIENCE = 2.0
"""Seconds of retrying to reach the database before the caller hears an apology."""
_PAUSE = 0.1
"""Seconds between two attempts."""

_Key = tuple[Actor, str, str, bytes]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ServedTurn:
    """A running turn, its thread, and the apology if it fails."""

    thread_id: str
    run: TurnRun
    apology: str
    failed: Callable[[str], None]
    """Counts a turn that failed without an event, by error code."""

    def part(self) -> None:
        """Stop listening."""
        self.run.part()

    async def events(self, tick: float | None = None) -> AsyncGenerator[Event | None]:
        """Yield the turn's events from first to last, `None` after each `tick` seconds of silence.

        A turn that fails before its first word ends with an apology: on an error the client would hang up.
        """
        spoke = False
        try:
            async with aclosing(events_of(self.run, tick)) as events:
                async for event in events:
                    spoke = spoke or isinstance(event, Speech)
                    if isinstance(event, TurnFailed) and not spoke:
                        yield Speech(content=self.apology)
                    yield event
                    if isinstance(event, TurnFinished | TurnFailed):
                        return
        except Exception as error:  # Whatever the error, the caller must not hear silence.
            facts = error_facts(error)
            log.error("a turn failed unexpectedly", extra={"thread_id": self.thread_id, **facts})
            log.debug("why the turn failed", exc_info=error)
            self.failed(facts["error"])
            yield Speech(content=f" {self.apology}" if spoke else self.apology)
            yield failed_turn(facts["error"], "the turn failed unexpectedly")


async def _stopped(key: str) -> TurnRun:
    """Return the run of a turn that a newer one has overtaken: interrupted before its first word."""

    async def parts() -> AsyncGenerator[Any]:
        yield TurnFinished(turn_id="", finish_reason="interrupted", **_UNUSED)

    run = TurnRun(key)
    run.kept = True
    await run.drive(parts)
    return run


_UNUSED: dict[str, Any] = {
    "usage": Usage(input_tokens=0, output_tokens=0, cached_tokens=0),
    "steps": 0,
    "first_speech_seconds": None,
    "seconds": 0.0,
}


class ServedTurns:
    """The running turns of an application, by the requests that started them."""

    def __init__(self, graph: TurnGraph, metrics: Metrics, styles: Styles) -> None:
        self._graph, self._metrics, self._styles = graph, metrics, styles
        self._turns: dict[_Key, tuple[asyncio.Task[ServedTurn], OrderedRequest]] = {}
        self._request_order = RequestOrder()
        self._continued = ContinuedThreads(graph)
        self._running = RunningTurns(graph.resources.settings.turns_per_user)

    async def of_request(self, actor: Actor, agent: str, request: ChatRequest) -> ServedTurn:
        """Return the turn that answers the request, started unless an identical request is being answered.

        The caller must call its `part()` when done: until then, other listeners that leave do not stop it.

        Raises `AgentNotFound`, `InvalidMessage`, `InvalidInput` for a thread id that cannot be one,
        `ThreadBusy`, `StorageError`, also `DatabaseBusy`, `TooManyTurns`.
        """
        came, taken = self._request_order.arrive(), None
        try:
            if request.thread_id is None:
                said = request.messages
                taken = await _patiently(lambda: self._continued.take(actor, agent, said))
                name = thread_name(taken) if taken else f"thread-{uuid4().hex}"
                request = replace(request, thread_id=name)
            known = self._known_or_begun(actor, agent, request, came, taken)
        except BaseException:
            self._let_go(came, taken)
            raise
        try:
            # A client that leaves during the lookup must not end the turn of another client.
            turn = await asyncio.shield(known)
        except asyncio.CancelledError:
            known.add_done_callback(_end_unless_heard)
            raise
        turn.run.expect()
        return turn

    def _known_or_begun(
        self, actor: Actor, agent: str, request: ChatRequest, came: OrderedRequest, taken: str | None
    ) -> asyncio.Task[ServedTurn]:
        """Return the running turn for the same request, or start one; release a `taken` thread."""
        key = (actor, agent, request.thread_id or "", request.digest)
        known, arrival = self._turns.get(key, (None, None))
        if known is not None and arrival is not None and not (known.done() and _is_over(known)):
            self._let_go(came, taken)
            self._request_order.again(arrival)
            return known
        ended = self._running.begin(actor)
        begun = asyncio.create_task(self._begin(actor, agent, request, came, taken))
        self._turns[key] = begun, came
        begun.add_done_callback(lambda task: self._forget_later(key, task, ended))
        return begun

    async def _begin(
        self, actor: Actor, agent: str, request: ChatRequest, arrival: OrderedRequest, taken: str | None
    ) -> ServedTurn:
        graph, settings = self._graph, self._graph.resources.settings
        try:
            named = request.thread_id or ""
            thread_id = await _patiently(lambda: thread_of(graph, actor, agent, named))
            key = thread_key(actor, thread_id)
            if self._request_order.overtaken(arrival, key) and settings.overlap == "newest":
                run = await _stopped(key)
            else:
                self._styles.note(key, request)
                run = await self._run(actor, agent, request, thread_id)
        finally:
            self._let_go(arrival, taken)
        if graph.resources.owner.is_shared:
            # So that a busy thread or a full database is answered by an HTTP status.
            await run.until_begun(_TIME_TO_BEGIN)
        return ServedTurn(thread_id, run, settings.apology, self._metrics.turn_failed)

    def _let_go(self, arrival: OrderedRequest, taken: str | None) -> None:
        """Let other requests proceed: this one's turn has started, or never will."""
        self._request_order.leave(arrival)
        if taken is not None:
            self._continued.release(taken)

    async def _run(self, actor: Actor, agent: str, request: ChatRequest, thread_id: str) -> TurnRun:
        call: dict[str, Any] = {
            "thread_id": thread_id,
            "agent": agent,
            "organization": actor.organization_id,
            "user": actor.user_id,
        }
        asked = {
            "history": request.messages,
            "client_tools": request.client_tools,
            "client_settings": request.model_settings,
        }
        return await self._graph.begin_turn(
            asked, {"configurable": call}, watch=self._note, stream_mode="custom"
        )

    def _note(self, part: Any) -> None:
        event = decode_event(part)
        if event is not None:
            self._metrics.note(event)

    def _forget_later(self, key: _Key, task: asyncio.Task[ServedTurn], ended: Callable[[], None]) -> None:
        """Forget a request when its turn has ended, or at once if none was started."""

        def drop() -> None:
            ended()
            self._drop(key, task)

        if task.cancelled() or task.exception() is not None:
            drop()
        else:
            task.result().run.when_done(drop)

    def _drop(self, key: _Key, task: asyncio.Task[ServedTurn]) -> None:
        if key in self._turns and self._turns[key][0] is task:
            del self._turns[key]


def _end_unless_heard(task: asyncio.Task[ServedTurn]) -> None:
    if not task.cancelled() and task.exception() is None:
        asyncio.get_running_loop().call_later(_TIME_TO_JOIN, task.result().run.drop_unless_heard)


def _is_over(task: asyncio.Task[ServedTurn]) -> bool:
    """Return whether the turn can no longer be joined: it was stopped, or never started."""
    if task.cancelled() or task.exception() is not None:
        return True
    return task.result().run.stop.requested


async def _patiently(look: Callable[[], Awaitable[T]]) -> T:
    """Return the result of `look`, with retries while the database cannot be reached."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _PATIENCE
    while True:
        try:
            return await look()
        except StorageError as error:
            if not is_away(error) or loop.time() > until:
                raise
        await asyncio.sleep(_PAUSE)
