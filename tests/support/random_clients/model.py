"""A model whose replies are planned by request: each body carries a mark that comes back as a stop word."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGenerationChunk
from pydantic import Field

from voicegraph.nodes.testing import ScriptedCall, ScriptedChatModel, ScriptedReply


@dataclass
class Plan:
    """What the model says to one request, and the prompts with which it was asked."""

    text: str
    call: ScriptedCall | None = None
    """Called first, with the text after its result."""
    preamble: str = ""
    on_call: Callable[[], None] = lambda: None
    whole: bool = False
    """True for a reply that the caller hears to its end."""
    hold: asyncio.Event | None = None
    hold_after: int = 0
    """Pieces after which the reply waits for `hold`."""
    prompts: list[list[BaseMessage]] = field(default_factory=list[list[BaseMessage]])

    def reply(self, messages: list[BaseMessage]) -> ScriptedReply:
        """Return the next reply."""
        self.prompts.append(messages)
        last = max((at for at, m in enumerate(messages) if isinstance(m, HumanMessage)), default=-1)
        results = [m.text for m in messages[last + 1 :] if isinstance(m, ToolMessage)]
        if self.call is None or any(not text.startswith("Not done") for text in results):
            return ScriptedReply(text=self.text, hold=self.hold, hold_after=self.hold_after)
        self.on_call()
        return ScriptedReply(text=self.preamble, calls=[self.call])


class PlannedModel(ScriptedChatModel):
    """Answers each request by its plan."""

    plans: dict[str, Plan] = Field(default_factory=dict[str, Plan])

    async def _astream(
        self, messages: Any, stop: list[str] | None = None, run_manager: Any = None, **settings: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        mark = (stop or ["?"])[0]
        async for chunk in super()._astream(messages, stop, run_manager, mark=mark, **settings):
            yield chunk

    def _take(self, messages: list[BaseMessage], settings: dict[str, Any]) -> ScriptedReply:
        return self.plans[settings["mark"]].reply(list(messages))
