"""The steps of consolidation: read what left the window, and store what matters in memory."""

import logging
from dataclasses import dataclass
from typing import Any, Literal

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage, ToolMessage
from langgraph.runtime import Runtime
from pydantic import BaseModel
from typing_extensions import TypedDict

from ...state.agents.actors import Actor
from ...state.agents.blocks import Block
from ...state.conversations.messages import StoredMessage
from ...state.errors import ContextTooLong, InvalidInput, RequestRefused
from ...state.search.passages import NewPassage
from ...state.store import Store
from ..model.catalog import VoiceModel
from ..text.enclosing import enclosed
from .block_rewriting import rewrite_block
from .memory_agent import ask_memory_model
from .merge_facts import OUTDATED

log = logging.getLogger(__name__)

INSTRUCTIONS = """\
You maintain the memory of a voice assistant. You get its memory blocks and part of an old conversation.
- Save what will matter in later calls with `store_memories`. Each chunk is a short text that can be \
understood on its own, with one line of context (when, about whom).
- Update a block with `rethink_memory`. Write its complete new text, one fact per line, and keep every \
fact that is still true. For a fact that is no longer true, write the line `{outdated} ` followed by it.
- Call `finish` when nothing is left to save. Do not save small talk."""

MOST_ROUNDS = 4


class Chunk(BaseModel):
    """A memory: its text, and a line about its context."""

    text: str
    context: str


def store_memories(chunks: list[Chunk]) -> None:
    """Save memories permanently, each as a passage with one line of context."""


def rethink_memory(label: str, value: str) -> None:
    """Write the complete new text of a memory block."""


def finish() -> None:
    """Finish: everything that matters is saved."""


class ConsolidationState(TypedDict):
    """A part of the conversation that is being consolidated."""

    due: list[int]
    """Numbers of the messages that were read."""
    messages: list[AnyMessage]
    rounds: int
    finished: bool
    kept: list[Chunk]
    """What will be stored, all at once at the end."""
    settled: bool
    """False if another process has consolidated it meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsolidationContext:
    """The live objects of one consolidation."""

    store: Store
    model: VoiceModel
    actor: Actor
    agent_id: str


async def read_due(state: ConsolidationState, runtime: Runtime[ConsolidationContext]) -> dict[str, Any]:
    """Read the pending messages and the blocks."""
    context = runtime.context
    due = await context.store.due.of_agent(context.actor, context.agent_id)
    blocks = await context.store.blocks.of_agent(context.actor, context.agent_id)
    prompt = SystemMessage(INSTRUCTIONS.format(outdated=OUTDATED))
    request = HumanMessage(f"{_render_blocks(blocks)}\n\n{enclosed('conversation', _render(due))}")
    return {
        "due": [message.number for message in due],
        "messages": [prompt, request],
        "rounds": 0,
        "finished": not any(message.heard.strip() for message in due),
        "kept": [],
        "settled": True,
    }


async def think(state: ConsolidationState, runtime: Runtime[ConsolidationContext]) -> dict[str, Any]:
    """Ask the memory model what to keep. Raises `ModelError`; the messages then stay pending.

    Messages that the provider refuses are skipped: they would be refused each time, and nothing said later
    would be consolidated. Recall memory still has them.
    """
    context = runtime.context
    chat = context.model.chat.bind_tools([store_memories, rethink_memory, finish])
    try:
        answer = await ask_memory_model(context.model, chat, state["messages"])
    except (RequestRefused, ContextTooLong) as error:
        log.warning(
            "the memory model refused messages, which are skipped",
            extra={"agent_id": context.agent_id, "model": context.model.name, "error": error.code},
        )
        answer = AIMessage("")
    return {"messages": [*state["messages"], answer], "rounds": state["rounds"] + 1}


async def keep(state: ConsolidationState, runtime: Runtime[ConsolidationContext]) -> dict[str, Any]:
    """Execute the model's calls; an answer without calls is the end."""
    answer = state["messages"][-1]
    calls = answer.tool_calls if isinstance(answer, AIMessage) else []
    kept = list(state["kept"])
    results = [
        ToolMessage(
            await _carry_out(runtime.context, call["name"], call["args"], kept), tool_call_id=call["id"] or ""
        )
        for call in calls
    ]
    finished = not calls or any(call["name"] == "finish" for call in calls)
    return {"messages": [*state["messages"], *results], "finished": finished, "kept": kept}


async def settle(state: ConsolidationState, runtime: Runtime[ConsolidationContext]) -> dict[str, Any]:
    """Store the result and mark the messages as consolidated, atomically: a crash repeats nothing."""
    context = runtime.context
    if not state["due"]:
        return {}
    passages = [_passage(chunk) for chunk in state["kept"]]
    settled = await context.store.due.settle(context.actor, context.agent_id, state["due"], passages)
    return {"settled": settled}


def after_reading(state: ConsolidationState) -> Literal["think", "settle"]:
    """Ask the model, unless the pending messages contain no speech."""
    return "settle" if state["finished"] else "think"


def after_keeping(state: ConsolidationState) -> Literal["think", "settle"]:
    """Ask again until the model has finished, up to a maximum number of rounds."""
    return "settle" if state["finished"] or state["rounds"] >= MOST_ROUNDS else "think"


async def _carry_out(
    context: ConsolidationContext, name: str, arguments: dict[str, Any], kept: list[Chunk]
) -> str:
    try:
        if name == "store_memories":
            chunks = [Chunk.model_validate(chunk) for chunk in arguments["chunks"]]
            for chunk in filter(lambda chunk: chunk.text.strip(), chunks):
                _passage(chunk).check()
                kept.append(chunk)
            return f"Kept {len(chunks)}."
        if name == "rethink_memory":
            return await rewrite_block(context.store, context.actor, context.agent_id, **arguments)
    except InvalidInput as error:
        return f"Not done: {error}."
    except (AttributeError, KeyError, TypeError, ValueError):
        return "Wrong arguments."
    return "Done." if name == "finish" else "There is no such tool."


def _passage(chunk: Chunk) -> NewPassage:
    return NewPassage(text=chunk.text, context=chunk.context or None, tags=("consolidation",))


def _render(messages: tuple[StoredMessage, ...]) -> str:
    speakers = {"user": "User", "assistant": "Assistant"}
    return "\n".join(
        f"[{message.created_at:%Y-%m-%d %H:%M}] {speakers[message.role]}: {message.heard}"
        for message in messages
        if message.role in speakers and message.heard.strip()
    )


def _render_blocks(blocks: tuple[Block, ...]) -> str:
    return "\n".join(enclosed("block", b.value, label=b.label, limit=b.limit) for b in blocks)
