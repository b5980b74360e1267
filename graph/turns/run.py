"""Thin functions over the graph: stream a turn as typed events, resume it, interrupt it."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from langchain_core.messages import AnyMessage, HumanMessage
from langchain_core.runnables import RunnableConfig

from ...nodes.turn.events import Event, TurnFailed, TurnFinished, decode_event
from ...nodes.turn.interruption import Interruption
from ...nodes.window.records import not_stored
from ...state.agents.actors import Actor
from ...state.agents.thread_keys import actor_of_call, key_of_call, thread_key, thread_name, thread_owner
from ...state.errors import NothingToResume, ThreadBusy
from ..threads.running import TurnRun
from .live_context import live_context
from .turn_config import call_of, config_of, config_of_call, turn_config
from .turn_graph import TurnGraph


async def stream_turn(
    graph: TurnGraph,
    message: str | AnyMessage | list[AnyMessage],
    config: RunnableConfig,
    *,
    context: Any = None,
) -> AsyncGenerator[Event]:
    """Run a turn and yield its events, `TurnFinished` or `TurnFailed` last.

    The last event comes when the last word has been sent; the stream ends once the turn is stored, which the
    consumer need not wait for. Leaving earlier interrupts the turn; use `contextlib.aclosing` to leave at
    once. `message` is the user's message. Raises what `TurnGraph.astream` raises.
    """
    words = [("user", message)] if isinstance(message, str) else message
    async for event in _events(graph, {"messages": words}, config, context):
        yield event


async def resume_turn(
    graph: TurnGraph, config: RunnableConfig, *, context: Any = None
) -> AsyncGenerator[Event]:
    """Resume a turn that a crash cut off, and yield its events as `stream_turn` does.

    Raises `NothingToResume` if the thread's last turn has ended, `ThreadBusy` if it is still running.
    """
    call = call_of(turn_config(graph.config, config)[0], context)
    name = thread_name(key_of_call(call))
    if await is_running(graph, name, actor=actor_of_call(call)):
        raise ThreadBusy(f"the turn of thread '{name}' is still running")
    if not (await graph.aget_state(config_of_call(config, call))).tasks:
        await graph.resources.crashed.record()  # The crash may have come before the first checkpoint.
        raise NothingToResume(f"thread '{name}' has nothing to resume: its last turn has ended")
    async for event in _events(graph, None, config, context):
        yield event


async def _events(
    graph: TurnGraph, turn_input: Any, config: RunnableConfig, context: Any
) -> AsyncGenerator[Event]:
    run = await graph.begin_turn(turn_input, config, context=context, stream_mode="custom")
    async with aclosing(events_of(run)) as events:
        async for event in events:
            if event is not None:
                yield event


async def events_of(run: TurnRun, tick: float | None = None) -> AsyncGenerator[Event | None]:
    """Yield all events of a run that was started with the stream mode `custom`.

    `None` comes after each `tick` seconds of silence. After `TurnFinished` or `TurnFailed` the run continues
    by itself. Raises what the run raised.
    """
    async with aclosing(run.listen(tick)) as parts:
        async for part in parts:
            event = None if part is None else decode_event(part)
            if isinstance(event, TurnFinished | TurnFailed):
                run.kept = True  # Only storing is left.
            if event is not None or part is None:
                yield event


async def is_running(graph: TurnGraph, thread_id: str, *, actor: Actor | None = None) -> bool:
    """Return whether a turn runs on the actor's thread, here or in another process."""
    key = thread_key(actor or Actor(), thread_id)
    if graph.resources.threads.running(key) is not None:
        return True
    return await graph.resources.owner.runs_elsewhere(key)


async def interrupt(
    graph: TurnGraph, thread_id: str, heard: str | None = None, *, actor: Actor | None = None
) -> bool:
    """Stop the reply of the actor's thread and store what the caller `heard`, a prefix of it.

    Without `heard`, everything sent counts as heard. Also cuts a reply that has been streamed to its end and
    is still being played. Returns whether a turn was running, here or in another process, after that turn has
    ended.
    """
    graph.resources.store.database.opened_in.check()
    threads, key = graph.resources.threads, thread_key(actor or Actor(), thread_id)
    run = threads.meant(key, heard)
    if run is not None:
        cut = run.interrupt(heard)
        await run.done.wait()
        # The request of a newer turn was made with the reply as it was.
        if heard is not None and not (cut and not run.has_failed) and threads.running(key) is None:
            await _cut_behind_the_turns(graph, key, heard)
        return True
    if heard is not None:
        return await _cut_behind_the_turns(graph, key, heard)
    return (await graph.resources.owner.interrupt(key, heard)).ran


async def _cut_behind_the_turns(graph: TurnGraph, key: str, heard: str) -> bool:
    """Cut the thread's last reply in a separate run, which a new turn waits for.

    Returns whether a turn was running in another process.
    """
    run = TurnRun(key)
    run.kept = run.announced = True

    async def cut() -> AsyncGenerator[bool]:
        elsewhere = await graph.resources.owner.interrupt(key, heard)
        if not elsewhere.cut:
            async with graph.resources.owner.reserve(run):
                await _cut_last_reply(graph, run, heard)
        yield elsewhere.ran

    graph.resources.threads.enter(run)
    work = graph.resources.background.start(run.drive(cut))
    work.add_done_callback(lambda _: graph.resources.threads.leave(run))
    return [ran async for ran in run.listen()][-1]


async def _cut_last_reply(graph: TurnGraph, run: TurnRun, heard: str) -> None:
    """Run the last step of the thread's ended turn again, which cuts the stored reply to what was heard."""
    actor, thread_id = thread_owner(run.thread_id), thread_name(run.thread_id)
    config = config_of(actor, thread_id)
    state = (await graph.aget_state(config)).values
    window = state.get("messages", ())
    if not window or "agent" not in state or "turn" not in state or state["turn"]["outcome"] == "running":
        return  # The next turn stores what a crash has left of a running one.
    asked = next((message.id for message in reversed(window) if isinstance(message, HumanMessage)), "")
    stored_through = state.get("stored_through", "")
    is_stored = asked not in {message.id for message in not_stored(window, stored_through)}
    await graph.resources.store.threads.get(actor, thread_id)
    # The replies count as not stored: if the step fails, the next turn stores them.
    update = {"stored_through": asked if is_stored else stored_through}
    await graph.aupdate_state(config, update, as_node="call_llm")
    live = replace(live_context(graph.resources, run, actor, thread_id), stop=Interruption(heard=heard))
    try:
        [_ async for _ in graph.steps(live, None, config, durability="exit")]
    except BaseException:
        graph.resources.known.forget(run.thread_id)
        raise
