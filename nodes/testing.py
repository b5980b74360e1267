"""A scripted chat model for tests, examples and notebooks, without a language model."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage, BaseMessageChunk
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ConfigDict, Field, PrivateAttr

from ..state.errors import ModelRefused
from .speech.preamble import PREAMBLE


class ScriptEnded(ModelRefused):
    """The model was called more often than its script has replies."""

    code = "script_ended"


@dataclass(frozen=True, kw_only=True)
class ScriptedCall:
    """A tool call: its arguments as JSON text, streamed in fragments."""

    name: str
    arguments: str
    id: str | None = None


@dataclass(frozen=True, kw_only=True)
class ScriptedReply:
    """One reply: text, then tool calls, then optionally an error.

    `first_token_seconds` and `token_seconds` pace it. `hold` is awaited after `hold_after` pieces.
    """

    text: str = ""
    calls: Sequence[ScriptedCall] = ()
    finish_reason: str | None = None
    error: Exception | None = None
    first_token_seconds: float = 0.0
    token_seconds: float = 0.0
    hold: asyncio.Event | None = None
    hold_after: int = 0
    fragment: int = 4
    """Length of each fragment of a tool call's arguments."""


ScriptItem = str | ScriptedReply | Exception


@dataclass(frozen=True, kw_only=True)
class RecordedRequest:
    """A recorded request: messages, names of the offered tools, and other settings."""

    messages: list[BaseMessage]
    tools: list[str]
    settings: dict[str, Any] = field(default_factory=dict[str, Any])


def calls(
    name: str, /, preamble: str | None = None, id: str | None = None, **arguments: Any
) -> ScriptedReply:
    """Return a reply that calls one tool: `calls("get_weather", "Let me look.", city="Rome")`."""
    import json

    spoken = {} if preamble is None else {PREAMBLE: preamble}
    text = json.dumps({**spoken, **arguments}, ensure_ascii=False)
    return ScriptedReply(calls=[ScriptedCall(name=name, arguments=text, id=id)])


class ScriptedChatModel(BaseChatModel):
    """Replies from a script, in order, streamed in words and in fragments of tool calls.

    An item of the script is a text, a `ScriptedReply` (see also `calls`) or an exception to raise. Instead of
    a list, a function may choose the item by the messages of the request. `requests` records the requests;
    `assert_done()` fails if replies are left over. Raises `ScriptEnded` if none is left.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    script: Sequence[ScriptItem] | Callable[[list[BaseMessage]], ScriptItem]
    requests: list[RecordedRequest] = Field(default_factory=list[RecordedRequest])
    _next: int = PrivateAttr(0)

    def __init__(
        self, script: Sequence[ScriptItem] | Callable[[list[BaseMessage]], ScriptItem], **data: Any
    ) -> None:
        super().__init__(script=script, **data)  # pyright: ignore[reportCallIssue]

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def assert_done(self) -> None:
        """Raise `AssertionError` if replies of the script were not used."""
        if not callable(self.script) and self._next < len(self.script):
            raise AssertionError(f"{len(self.script) - self._next} replies of the script were not used")

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[Any, Any]:
        """Return the model with these tools bound."""
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        reply = self._take(messages, kwargs)
        if reply.first_token_seconds:
            await asyncio.sleep(reply.first_token_seconds)
        for number, chunk in enumerate(_chunks(reply)):
            if reply.hold is not None and number == reply.hold_after:
                await reply.hold.wait()
            if reply.token_seconds and number:
                await asyncio.sleep(reply.token_seconds)
            if run_manager is not None:
                await run_manager.on_llm_new_token(str(chunk.message.text), chunk=chunk)
            yield chunk
        if reply.error is not None:
            raise reply.error

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        parts = [chunk.message async for chunk in self._astream(messages, stop, None, **kwargs)]
        return _whole(parts)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        reply = self._take(messages, kwargs)
        if reply.error is not None:
            raise reply.error
        return _whole([chunk.message for chunk in _chunks(reply)])

    def _take(self, messages: list[BaseMessage], settings: dict[str, Any]) -> ScriptedReply:
        tools = [tool["function"]["name"] for tool in settings.pop("tools", [])]
        self.requests.append(RecordedRequest(messages=list(messages), tools=tools, settings=settings))
        if callable(self.script):
            item = self.script(messages)
        elif self._next < len(self.script):
            item = self.script[self._next]
            self._next += 1
        else:
            raise ScriptEnded(f"the script has only {len(self.script)} replies")
        if isinstance(item, Exception):
            raise item
        return ScriptedReply(text=item) if isinstance(item, str) else item


def _whole(parts: Sequence[BaseMessageChunk]) -> ChatResult:
    whole, *others = parts
    for part in others:
        whole = whole + part
    return ChatResult(generations=[ChatGeneration(message=whole)])


def _chunks(reply: ScriptedReply) -> Iterator[ChatGenerationChunk]:
    """Yield the chunks of an OpenAI stream of this reply: words, call fragments, finish reason, usage."""
    words = re.findall(r"\s*\S+\s*$|\s*\S+", reply.text)
    for word in words:
        yield ChatGenerationChunk(message=AIMessageChunk(content=word))
    for index, call in enumerate(reply.calls):
        call_id = call.id or f"call_{uuid4().hex[:12]}"
        yield _call_chunk(index, "", call_id, call.name)
        for start in range(0, len(call.arguments), reply.fragment):
            yield _call_chunk(index, call.arguments[start : start + reply.fragment])
    reason = reply.finish_reason or ("tool_calls" if reply.calls else "stop")
    if reply.error is None:
        yield ChatGenerationChunk(
            message=AIMessageChunk(content="", response_metadata={"finish_reason": reason})
        )
        size = len(words) + sum(len(call.arguments) // 4 for call in reply.calls)
        usage = UsageMetadata(input_tokens=10, output_tokens=size, total_tokens=10 + size)
        yield ChatGenerationChunk(message=AIMessageChunk(content="", usage_metadata=usage))


def _call_chunk(
    index: int, arguments: str, call_id: str | None = None, name: str | None = None
) -> ChatGenerationChunk:
    part = tool_call_chunk(name=name, args=arguments, id=call_id, index=index)
    return ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=[part]))
