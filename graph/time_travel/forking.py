"""Fork a thread from one of its checkpoints, under a new id."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from secrets import token_hex
from typing import Any, Literal, cast

from langchain_core.messages import AIMessage, AnyMessage, ToolCall
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import Checkpoint, CheckpointTuple
from langgraph.checkpoint.base.id import uuid6

from ...nodes.window.records import as_records
from ...state.agents.actors import Actor
from ...state.agents.agents import Agent
from ...state.agents.thread_keys import thread_key
from ...state.errors import CheckpointNotFound, InvalidInput
from ...state.schema import Turn
from ..turns.turn_config import config_of
from ..turns.turn_graph import TurnGraph
from .past_calls import PastCall, past_calls

ForkMemory = Literal["current", "as_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fork:
    """A new thread that shares its past with another one.

    `config` is the configuration for runs on it. `unfinished` is true if it is in the middle of a turn, which
    `resume_turn` completes; a new user message leaves that turn unfinished.
    """

    thread_id: str
    agent: str
    actor: Actor
    unfinished: bool

    @property
    def config(self) -> RunnableConfig:
        """The configuration for runs of the graph on the new thread."""
        return {
            "configurable": {
                "thread_id": self.thread_id,
                "agent": self.agent,
                "organization": self.actor.organization_id,
                "user": self.actor.user_id,
            }
        }


async def fork(
    graph: TurnGraph,
    thread_id: str,
    checkpoint_id: str,
    new_thread_id: str | None = None,
    *,
    memory: ForkMemory = "current",
    actor: Actor | None = None,
) -> Fork:
    """Make a new thread that continues from a checkpoint of `thread_id`, which is not changed.

    The new thread, named `new_thread_id` or after the first one, has copies of all messages up to then. Tools
    with side effects that the first thread ran later in the same turn are not run again: the new thread
    reuses their results. A new user message may run them again.

    Blocks belong to the agent, not to a thread, so the fork sees them as they are now. With `memory="as_of"`
    it belongs to a copy of the agent, with copies of the blocks (shared ones too) and passages as they were
    then: only the fork sees their changes, and recall finds only what was said in it.

    Raises `ThreadNotFound`, `CheckpointNotFound`, `ThreadTaken`, `InvalidInput` for an id or `memory` that
    cannot be used.
    """
    if memory not in ("current", "as_of"):
        raise InvalidInput(f"memory must be 'current' or 'as_of', not '{str(memory)[:40]}'")
    actor, store = actor or Actor(), graph.resources.store
    await store.threads.get(actor, thread_id)
    found = await _checkpoint(graph, actor, thread_id, checkpoint_id)
    window, turn = _window(found), _turn(found)
    past = await past_calls(graph, actor, thread_id, window, turn) if turn else []
    new_id = new_thread_id or f"{thread_id[:180]}-fork-{token_hex(2)}"
    open_calls = {call["id"] for message in window for call in _calls(message)}
    agent = await store.forks.make(
        actor,
        thread_id,
        new_id,
        as_records(window, turn) if turn else [],
        tool_runs=[call.as_run(new_id) for call in past if call.id in open_calls],
        memory_as_of=datetime.fromisoformat(found.checkpoint["ts"]) if memory == "as_of" else None,
    )
    try:
        await _put(graph, found, thread_key(actor, new_id), past, await store.agents.get(actor, agent))
    except BaseException:
        await store.threads.delete(actor, new_id)
        raise
    graph.resources.indexing.wake()
    unfinished = bool((await graph.aget_state(config_of(actor, new_id))).tasks)
    return Fork(thread_id=new_id, agent=agent, actor=actor, unfinished=unfinished)


async def _checkpoint(graph: TurnGraph, actor: Actor, thread_id: str, checkpoint_id: str) -> CheckpointTuple:
    place = {"thread_id": thread_key(actor, thread_id), "checkpoint_ns": "", "checkpoint_id": checkpoint_id}
    config: RunnableConfig = {"configurable": place}
    found = await graph.resources.checkpointer.aget_tuple(config) if checkpoint_id else None
    if found is None:
        raise CheckpointNotFound(thread_id, checkpoint_id)
    return found


def _window(found: CheckpointTuple) -> list[AnyMessage]:
    return list(found.checkpoint["channel_values"].get("messages", []))


def _turn(found: CheckpointTuple) -> Turn | None:
    """Return the turn that continues from there; one not yet started waits in LangGraph's input channel."""
    values = found.checkpoint["channel_values"]
    return values.get("__start__", {}).get("turn") or values.get("turn")


def _calls(message: AnyMessage) -> Sequence[ToolCall]:
    return message.tool_calls if isinstance(message, AIMessage) else ()


async def _put(
    graph: TurnGraph, found: CheckpointTuple, key: str, past: Sequence[PastCall], agent: Agent
) -> None:
    """Write the checkpoint as the first one of the new thread, without its next step's writes."""
    checkpoint = found.checkpoint
    values = dict(checkpoint["channel_values"])
    if "agent" in values:
        values["agent"] = {**values["agent"], "id": agent.id, "name": agent.name}
    if past:
        made = {"made": [call.as_made() for call in past]}
        if "__start__" in values:
            values["__start__"] = {**values["__start__"], "turn": {**values["__start__"]["turn"], **made}}
        else:
            values["turn"] = {**values["turn"], **made}
    copy = {**checkpoint, "id": str(uuid6()), "ts": datetime.now(UTC).isoformat(), "channel_values": values}
    config: RunnableConfig = {"configurable": {"thread_id": key, "checkpoint_ns": ""}}
    metadata: Any = {"source": "fork", "step": found.metadata.get("step", 0), "parents": {}}
    saver = graph.resources.checkpointer
    await saver.aput(config, cast(Checkpoint, copy), metadata, checkpoint["channel_versions"])
