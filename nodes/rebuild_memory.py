"""Step 1: update prompt and window before the model call."""

import logging

from langchain_core.messages import AIMessage, AnyMessage, ToolCall, ToolMessage
from langgraph.runtime import Runtime
from langgraph.types import Overwrite

from ..state.agents.agents import AgentMemory
from ..state.conversations.tool_runs import ToolRun
from ..state.errors import StorageError
from ..state.schema import AgentFacts, VoiceState, VoiceUpdate
from .context import Context
from .memory.prompt import render_prompt
from .replies.failed_step import ends_turn_on_error
from .tools.results.results import SENTENCES, Outcome, tool_message
from .window.repair import has_orphans, repair, unanswered
from .window.turn_start import begin, messages_after

log = logging.getLogger(__name__)


@ends_turn_on_error
async def rebuild_memory(state: VoiceState, runtime: Runtime[Context]) -> VoiceUpdate:
    """Read the agent's memory, render the system prompt if a block changed, repair the window after a crash.

    Runs before each model call, so that it sees edits of memory by tools.
    """
    context = runtime.context
    try:
        update = await _read(state, context)
    except StorageError as error:
        if not error.retryable or "system_prompt" not in state:
            raise
        log.warning("the memory could not be read; the last known state is used", extra={"error": error.code})
        update = VoiceUpdate()
    window: list[AnyMessage] = state["messages"]
    begins = state.get("latest", {}).get("turn_id") != state["turn"]["id"]
    if begins:
        begun, update["latest"] = begin(state, context, state["turn"])
        window = begun.window
        if begun.amended:
            update["amended"] = [*state.get("amended", ()), *begun.amended]
    broken = unanswered(window)
    if broken or has_orphans(window):
        window = await _mended(window, context, broken)
    if begins:
        update["turn"] = {**state["turn"], "replies_after": (window[-1].id or "") if window else ""}
    if "latest" in update:
        context.begun(state["turn"], messages_after(window, update["latest"]["after"]))
    if window is not state["messages"]:
        update["messages"] = Overwrite(window)
        update["stored_through"] = _still_stored(state, window)
    return update


async def _read(state: VoiceState, context: Context) -> VoiceUpdate:
    """Return what has changed in the agent's memory since the prompt was last rendered."""
    memory = await context.memory()
    update: VoiceUpdate = {"agent": _facts(memory)}
    small = context.models.get(memory.agent.model).small
    stamp = f"{memory.stamp};small" if small else memory.stamp
    if stamp != state.get("memory_stamp"):
        counts = None if small else await context.store.agents.counts(context.actor, memory.agent.id)
        update["system_prompt"] = render_prompt(memory.agent, memory.blocks, counts, small=small)
        update["memory_stamp"] = stamp
    return update


def _facts(memory: AgentMemory) -> AgentFacts:
    agent = memory.agent
    return AgentFacts(
        id=agent.id,
        name=agent.name,
        model=agent.model,
        model_settings=dict(agent.model_settings),
        tools=list(agent.tools),
        time_zone=agent.time_zone,
    )


async def _mended(window: list[AnyMessage], context: Context, broken: list[AIMessage]) -> list[AnyMessage]:
    """Give each call without a result the one from its record."""
    runs: dict[tuple[str, str], ToolRun] = {}
    for reply in broken:
        known = await context.store.tool_runs.of_message(context.actor, context.thread_id, reply.id or "")
        runs |= {(reply.id or "", call_id): run for call_id, run in known.items()}

    def fate(reply: AIMessage, call: ToolCall) -> ToolMessage:
        key = (reply.id or "", call["id"] or "")
        run = runs.get(key)
        outcome, text = _fate(run, running=context.background.runs(key))
        limit, now = context.limits.tool_result_chars, context.clock.now()
        own = run.tool if run else None
        return tool_message(reply.id, call, outcome, text, created_at=now, limit=limit, tool=own)

    return repair(window, fate)


def _still_stored(state: VoiceState, mended: list[AnyMessage]) -> str:
    """Return the last stored message before the first repaired one: all after it are stored again."""
    last, through = "", state.get("stored_through")
    for old, new in zip(state["messages"], mended, strict=False):
        if old is not new or last == through:
            break
        last = old.id or ""
    return last if through else ""


def _fate(run: ToolRun | None, *, running: bool) -> tuple[Outcome, str]:
    if running:
        return "running", SENTENCES["running"]
    if run is None:
        return "cancelled", SENTENCES["cancelled"]
    if run.finished_at is None:
        return "unknown", SENTENCES["unknown"]
    return run.outcome or "success", run.result or ""  # pyright: ignore[reportReturnType]
