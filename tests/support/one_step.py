"""What a step of a turn is called with: a plain dict as its state, and a context over a real database."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from ear import HandClock
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolCall
from langgraph.runtime import Runtime

from voicegraph.nodes.context import Background, Context
from voicegraph.nodes.model.catalog import Models
from voicegraph.nodes.speech.speech import Speaker
from voicegraph.nodes.testing import ScriptedChatModel
from voicegraph.nodes.tools.toolbox import Toolbox
from voicegraph.nodes.turn.limits import TurnLimits
from voicegraph.state import Actor, open_store
from voicegraph.state.conversations.messages import StoredMessage
from voicegraph.state.schema import AgentFacts, Turn, VoiceState, new_turn


@dataclass(frozen=True, kw_only=True)
class OneStep:
    """What a step needs, and the events that it sends."""

    context: Context
    agent: AgentFacts
    model: ScriptedChatModel
    events: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    async def run(self, step: Callable[..., Any], state: Any, **context: Any) -> Any:
        """Return the update that the step makes, with some of its context changed."""
        changed = replace(self.context, **context)
        return await step(state, Runtime(context=changed, stream_writer=self.events.append))

    def state(self, *messages: AnyMessage, **turn: Any) -> VoiceState:
        """Return the state of a running turn with this window, in which the prompt is already made."""
        return {
            "messages": list(messages),
            "turn": a_turn(**turn),
            "agent": self.agent,
            "system_prompt": "Be kind.",
            "memory_stamp": "",
            "stored_through": "",
        }

    async def stored(self) -> Sequence[StoredMessage]:
        """Return the messages that are stored."""
        return await self.context.store.messages.history(self.context.actor, self.context.thread_id)


Step = Callable[..., AbstractAsyncContextManager[OneStep]]
"""Opens what a step needs, with the replies of its model and its tools; limits are given by name."""


@asynccontextmanager
async def one_step(
    url: str, replies: Sequence[Any] = (), *, tools: Sequence[Any] = (), **limits: Any
) -> AsyncGenerator[OneStep]:
    store, model, clock = await open_store(url), ScriptedChatModel(replies), HandClock()
    actor, background = Actor(), Background()
    limits.setdefault("filler_after", None)
    try:
        agent = await store.agents.ensure_default(actor)
        await store.threads.claim(actor, agent.id, "call-42")
        context = Context(
            store=store,
            models=Models(model),
            toolbox=Toolbox(tools),
            limits=TurnLimits(**limits),
            clock=clock,
            speaker=Speaker(clock),
            background=background,
            actor=actor,
            agent=agent.name,
            thread_id="call-42",
            resumed=False,
        )
        facts = AgentFacts(
            id=agent.id, name=agent.name, model=None, model_settings={}, tools=[], time_zone="UTC"
        )
        yield OneStep(context=context, agent=facts, model=model)
        await background.drain(10)
    finally:
        await store.close()


def a_turn(**changes: Any) -> Turn:
    """Return a running turn, with some changes."""
    turn: Any = {**new_turn("turn-1", 1000.0), **changes}
    return turn


def said(text: str, id: str = "u1") -> HumanMessage:
    """Return what the user said."""
    return HumanMessage(text, id=id)


def reply(text: str, *calls: ToolCall, id: str = "a1") -> AIMessage:
    """Return a reply of the model."""
    return AIMessage(text, tool_calls=list(calls), id=id)


def call_of(name: str, id: str = "c1", **arguments: Any) -> ToolCall:
    """Return a call of a tool."""
    return ToolCall(name=name, args=arguments, id=id, type="tool_call")
