"""Record a turn while it runs, or read the last one of a thread from its checkpoints."""

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.types import StateSnapshot

from ...nodes.tools.results.results import OUTCOME
from ...nodes.turn.events import Event, TurnFailed, TurnFinished, decode_event
from ...state.agents.actors import Actor
from ...state.errors import NotFound
from ...state.schema import Turn
from ..pictures.recorded import LAST, LOOP, RecordedTurn, Span, path, timed
from .turn_config import config_of
from .turn_graph import TurnGraph

_STEPS = {*LOOP, LAST}


async def record_turn(
    graph: TurnGraph,
    message: str | AnyMessage | list[AnyMessage],
    config: RunnableConfig,
    *,
    context: Any = None,
) -> RecordedTurn:
    """Run a turn to its end and return a record of its steps, tools and times.

    `message` is what the user said. Raises what `TurnGraph.astream` raises.
    """
    words = [("user", message)] if isinstance(message, str) else message
    began = time.monotonic()
    events: list[tuple[float, Event]] = []
    open_steps: dict[str, float] = {}
    steps: list[Span] = []
    modes = ["custom", "tasks"]
    async for mode, part in graph.astream({"messages": words}, config, context=context, stream_mode=modes):
        now = time.monotonic() - began
        if mode == "custom":
            event = decode_event(part)
            events += [(now, event)] if event is not None else []
        elif part["name"] in _STEPS:
            start = open_steps.pop(part["id"], None)
            if start is None:
                open_steps[part["id"]] = now
            else:
                steps.append(Span(name=part["name"], began=start, seconds=now - start))
    window = (await graph.aget_state(config)).values["messages"]
    return timed(_to_the_end(events), steps, len(window))


def _to_the_end(events: Sequence[tuple[float, Event]]) -> list[tuple[float, Event]]:
    """Return the events up to the end of the turn: a tool that continues after it may still send some."""
    ends = (TurnFinished, TurnFailed)
    return sorted(events, key=lambda timed_event: isinstance(timed_event[1], ends))


async def last_turn(graph: TurnGraph, thread_id: str, *, actor: Actor | None = None) -> RecordedTurn:
    """Return the record of a thread's last turn, even one that a crash cut off, from its checkpoints.

    The times of its first steps are missing if their checkpoints were pruned. Raises `ThreadNotFound`, and
    `NotFound` if there is no turn yet.
    """
    actor = actor or Actor()
    await graph.resources.store.threads.get(actor, thread_id)
    states = [state async for state in graph.aget_state_history(config_of(actor, thread_id))]
    head = states[0].values if states else {}
    if "turn" not in head:
        raise NotFound(f"thread '{thread_id}' has no turn yet")
    turn: Turn = head["turn"]
    own = [state for state in states if state.values.get("turn", {}).get("id") == turn["id"]]
    messages = _of_turn(head["messages"])
    in_tools = bool(messages) and isinstance(messages[-1], ToolMessage)
    upcoming = states[0].next[0] if states[0].next else None
    known = _watched(own[::-1], turn["started_at"])
    whole = path(turn["step"], upcoming, in_tools=in_tools)
    steps = [*(Span(name=name) for name in whole[: max(0, len(whole) - len(known))]), *known]
    first, end = turn["first_speech_at"], [span for span in known if span.name == "call_llm"][-1:]
    return RecordedTurn(
        steps=tuple(steps),
        tools=tuple(_tools(messages, [span for span in known if span.name == "execute_tool"])),
        first_speech_seconds=None if first is None else first - turn["started_at"],
        seconds=(end[0].began or 0.0) + (end[0].seconds or 0.0) if end and upcoming is None else None,
        finish_reason=turn["finish_reason"] if upcoming is None else None,
        window=len(head["messages"]),
    )


def _watched(states: Sequence[StateSnapshot], started_at: float) -> list[Span]:
    """Return the steps between a turn's checkpoints, oldest first: each ran from one to the next."""
    spans: list[Span] = []
    for before, after in zip(states, states[1:], strict=False):
        began, ended = _time(before), _time(after)
        ran = (after.metadata or {}).get("source") == "loop"  # Not written by `update_state`.
        if ran and before.next and before.next[0] in _STEPS:
            spans.append(Span(name=before.next[0], began=began - started_at, seconds=ended - began))
    return spans


def _time(state: StateSnapshot) -> float:
    return datetime.fromisoformat(state.created_at or "").timestamp()


def _of_turn(window: Sequence[AnyMessage]) -> list[AnyMessage]:
    """Return the messages of the last turn after the user's message."""
    last = max(
        (place for place, message in enumerate(window) if isinstance(message, HumanMessage)), default=-1
    )
    return list(window[last + 1 :])


def _tools(messages: Sequence[AnyMessage], runs: Sequence[Span]) -> list[Span]:
    """Return the tools of a turn; those of one reply start together, with the step that runs them."""
    calling = [m for m in messages if isinstance(m, AIMessage) and m.tool_calls]
    results = {m.tool_call_id: m for m in messages if isinstance(m, ToolMessage)}
    unknown = [Span(name="execute_tool")] * max(0, len(calling) - len(runs))
    spans: list[Span] = []
    for reply, run in zip(calling, [*unknown, *runs], strict=False):
        for call in reply.tool_calls:
            result = results.get(call["id"] or "")
            status = result.additional_kwargs.get(OUTCOME, "") if result else "running"
            spans.append(Span(name=call["name"], began=run.began, seconds=run.seconds, status=status))
    return spans
