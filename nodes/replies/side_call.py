"""A client's own model call outside the conversation, with only its messages and settings."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AnyMessage, HumanMessage, SystemMessage

from ...state.errors import ModelTimeout
from ..model.attempts import start_completion
from ..model.catalog import VoiceModel
from ..model.completion import BURST, Request
from ..model.stream.delta import Delta
from ..speech.speech import Speaker
from ..tools.names import acceptable_name, matching_name
from ..turn.clock import Clock
from ..turn.events import Event, Speech, ToolRequested, TurnFinished
from ..turn.limits import TurnLimits
from .client_tools import client_arguments, is_choice_of
from .reply import Reply

_USAGE_WAIT = 0.5
"""Seconds that a complete answer waits for its usage."""
_LIMITS = ("max_completion_tokens", "max_tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class SideCall:
    """A side call: the client's messages in order, its tools under legal names, its settings."""

    messages: Sequence[AnyMessage]
    client_tools: Sequence[Mapping[str, Any]] = ()
    client_settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    agent_settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    user: str | None = None


async def answer_side_call(
    call: SideCall, models: Sequence[VoiceModel], limits: TurnLimits, clock: Clock
) -> AsyncGenerator[Event]:
    """Yield the answer as events of a turn: speech, calls of the client's tools, the end with usage.

    Raises `ModelError` if no model answers, or one breaks off. Nothing is stored.
    """
    begun = clock.now()
    request = _request(call)
    started = await start_completion(models, lambda _: request, limits)
    speaker = _Collector(clock)
    reply = Reply(speaker, longest=limits.max_reply_chars)
    async with aclosing(started.rest) as rest:
        for place, delta in enumerate(started.first, start=1):
            await reply.feed(delta)
            if place % BURST == 0:
                await asyncio.sleep(0)
        while not reply.is_full:
            for words in speaker.taken():
                yield Speech(content=words)
            delta = await _next(rest, reply, limits, started.model.name)
            if delta is None:
                break
            await reply.feed(delta)
    await reply.close()
    for words in speaker.taken():
        yield Speech(content=words)
    message = None
    if reply.has_calls:
        message = reply.message(started.model.name, clock.now(), (), name_of=lambda name: _meant(call, name))
    for made in message.tool_calls if message else ():
        arguments = client_arguments(call.client_tools, made)
        yield ToolRequested(tool_call_id=made["id"] or "", name=made["name"], arguments=arguments)
    yield TurnFinished(
        turn_id="",
        finish_reason="tool_calls" if message else reply.finish_reason or "stop",
        usage=reply.usage,
        steps=1,
        first_speech_seconds=None,
        seconds=clock.now() - begun,
    )


async def _next(rest: AsyncGenerator[Delta], reply: Reply, limits: TurnLimits, model: str) -> Delta | None:
    """Return the next delta, `None` at the end; after the finish reason only usage is awaited."""
    ended = reply.finish_reason is not None
    try:
        async with asyncio.timeout(_USAGE_WAIT if ended else limits.stall_timeout):
            return await anext(rest, None)
    except TimeoutError as error:
        if ended:
            return None
        raise ModelTimeout(f"{model}: nothing more came for {limits.stall_timeout} seconds") from error


def _meant(call: SideCall, called: str) -> str:
    offered = {tool["function"]["name"]: tool["function"]["name"] for tool in call.client_tools}
    return matching_name(called, offered) or acceptable_name(called)


def _request(call: SideCall) -> Request:
    settings = dict(call.client_settings)
    choice = settings.pop("tool_choice", None)
    if is_choice_of(choice, call.client_tools):
        settings["tool_choice"] = choice
    if not call.client_tools:
        settings.pop("parallel_tool_calls", None)
    # The agent's limit applies to spoken replies.
    own = {name: value for name, value in call.agent_settings.items() if name not in _LIMITS}
    return Request(
        prompt="",
        window=_asking(call.messages),
        client_tools=call.client_tools,
        user=call.user,
        settings=own,
        client_settings=settings,
    )


def _asking(messages: Sequence[AnyMessage]) -> list[AnyMessage]:
    """Return the messages; if all are instructions, the last one becomes the user's."""
    if all(isinstance(message, SystemMessage) for message in messages):
        return [*messages[:-1], HumanMessage(str(messages[-1].text))] if messages else []
    return list(messages)


class _Collector(Speaker):
    """A speaker without a listener: it collects the text until it is taken."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._waiting: list[str] = []

    async def say(self, text: str) -> str:
        if text:
            self.spoken += text
            self._waiting.append(text)
        return text

    def taken(self) -> list[str]:
        waiting, self._waiting = self._waiting, []
        return waiting
