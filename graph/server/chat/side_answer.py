"""Answer a side call: the model's answer to the client's messages alone."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from ....nodes.turn.events import Event
from ....state.agents.actors import Actor
from ....state.errors import ContextTooLong, RequestRefused
from ...clients.client_tools import legal_tools
from ...clients.side_events import side_events
from ...resources import Resources
from ..errors import ApiError
from .chat_request import ChatRequest

log = logging.getLogger(__name__)

_TIME_TO_BEGIN = 6.0
"""Seconds after which headers are sent, even if the model has not answered yet."""


class SideAnswer:
    """An answer in progress, with the interface of a turn."""

    def __init__(self, events: AsyncGenerator[Event], thread_id: str | None) -> None:
        self.thread_id = thread_id
        self._parts: asyncio.Queue[Event | None] = asyncio.Queue()
        self._begun = asyncio.Event()
        self._task = asyncio.create_task(self._drive(events))

    async def until_begun(self, within: float) -> None:
        """Wait up to `within` seconds for the first words; raise an error that came before them."""
        try:
            async with asyncio.timeout(within):
                await self._begun.wait()
        except TimeoutError:
            return
        if self._task.done() and (error := self._task.exception()) is not None:
            raise error

    async def events(self, tick: float | None = None) -> AsyncGenerator[Event | None]:
        """Yield the answer's events, `None` after each `tick` seconds of silence; raise its error."""
        while True:
            try:
                async with asyncio.timeout(tick):
                    part = await self._parts.get()
            except TimeoutError:
                yield None
                continue
            if part is None:
                await self._task
                return
            yield part

    def part(self) -> None:
        """End the answer: the client has it, or has disconnected."""
        if not self._task.cancel() and not self._task.cancelled():
            self._task.exception()  # The listener has received it already.

    async def _drive(self, events: AsyncGenerator[Event]) -> None:
        try:
            async with aclosing(events):
                async for event in events:
                    self._parts.put_nowait(event)
                    self._begun.set()
        except (RequestRefused, ContextTooLong) as error:
            message = "the language model does not take this request"
            raise ApiError(400, message, code=error.code) from error
        finally:
            self._parts.put_nowait(None)
            self._begun.set()


async def begin_side_answer(
    resources: Resources, actor: Actor, agent: str, request: ChatRequest
) -> SideAnswer:
    """Start the answer to a side call by the agent's model, and wait briefly for its first words.

    Raises `AgentNotFound`, `ModelError` if no model answers, `ApiError` 400 if one refuses the request.
    """
    legal = legal_tools(request.client_tools)
    log.debug("answering a side call", extra={"agent": agent})
    events = await side_events(resources, actor, agent, request.messages, legal, request.model_settings)
    answer = SideAnswer(events, request.thread_id)
    try:
        await answer.until_begun(_TIME_TO_BEGIN)
    except BaseException:
        answer.part()
        raise
    return answer
