"""A turn that a crash cut off: resume it, or close it before the next one."""

from collections.abc import Sequence
from typing import Any, cast

from langchain_core.messages import AnyMessage, RemoveMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START
from langgraph.graph.message import REMOVE_ALL_MESSAGES
from langgraph.graph.state import CompiledStateGraph

from ...nodes.context import Context
from ...nodes.window.records import as_message, not_stored
from ...state.checkpoints.keyed_saver import KeyedSaver
from ...state.conversations.ended_turns import cut_id
from ...state.conversations.journaled_turn import JournaledTurn
from ...state.errors import NothingToResume
from ...state.schema import LatestTurn, Turn, new_turn
from ..threads.known_threads import Known
from ..threads.open_turn import OpenTurn


async def go_on(
    graph: CompiledStateGraph[Any, Any, Any, Any],
    live: Context,
    config: RunnableConfig,
    turn: OpenTurn,
    left: JournaledTurn | None,
) -> None:
    """Prepare to resume the turn; `left` is its journal entry.

    Raises `NothingToResume` if another process has ended it in between.
    """
    state = await graph.aget_state(config)
    if not state.tasks:
        raise NothingToResume(f"the turn of thread '{live.thread_id}' has ended")
    # Before its first step a turn is pending input: the state holds the previous one.
    found = state.values.get("turn") if state.next != (START,) else None
    if found is not None:
        live.speaker.resume(found["spoken"], found["first_speech_at"])
    if left is not None:
        kept = found["spoken"] if found and found["id"] == left.turn_id else ""
        await turn.go_on(left, kept, live.clock.now())


async def close_crashed(
    graph: CompiledStateGraph[Any, Any, Any, Any],
    config: RunnableConfig,
    known: Known,
    turn: OpenTurn,
    left: JournaledTurn | None,
) -> None:
    """Store what a crashed run said and did, which new input would discard; `turn` is the new one.

    Messages that are in `left` but not in the checkpoints are added to the window. Checkpoints of stored
    turns, on a thread that is new or has no messages, are of a deleted thread, and must not be used.
    """
    if turn.held.is_empty and left is None:
        return
    saver = cast(BaseCheckpointSaver[Any], graph.checkpointer)
    deleted = turn.held.was_deleted(known)
    state = await graph.aget_state(config)
    if deleted and left is None and state.values.get("stored_through"):
        name = config.get("configurable", {})["thread_id"]
        await saver.adelete_thread(turn.thread_id if isinstance(saver, KeyedSaver) else name)
        return
    values: dict[str, Any] = state.values
    waiting = await _waiting_input(saver, config) if state.next == (START,) else []
    if state.tasks:
        await graph.aupdate_state(config, None, as_node=END)
    window: list[AnyMessage] = list(values.get("messages", []))
    ids = {message.id for message in window}
    whole = [*window, *(message for message in waiting if message.id not in ids)]
    of_turn: Turn | None = values.get("turn")
    if left is not None:
        whole = with_told(whole, [as_message(said) for said in left.messages])
        if of_turn is None or of_turn["id"] != left.turn_id:
            of_turn = new_turn(left.turn_id, left.started_at.timestamp())
        rest = left.rest(of_turn["spoken"])
        if rest and cut_id(left.turn_id) not in ids:
            whole.append(as_message(left.cut_off(rest)))
    if len(whole) > len(window):
        appended = whole[: len(window)] == window
        anew = [RemoveMessage(REMOVE_ALL_MESSAGES), *whole]
        update: dict[str, Any] = {"messages": whole[len(window) :] if appended else anew}
        if left is not None:
            update["latest"] = _latest(whole, left)
        await graph.aupdate_state(config, update, as_node="persist_and_trim")
    if left is not None and of_turn is not None:
        said = [*values.get("amended", ()), *not_stored(whole, values.get("stored_through"))]
        await turn.replace(left, of_turn, said)


def with_told(window: Sequence[AnyMessage], told: Sequence[AnyMessage]) -> list[AnyMessage]:
    """Return the window with the messages of `told`, in order, that it lacks by id.

    Those before the first one that it has are put before that, all others at the end.
    """
    known, ids = {message.id for message in window}, {message.id for message in told}
    place = next((at for at, message in enumerate(window) if message.id in ids), len(window))
    first = next((at for at, message in enumerate(told) if message.id in known), len(told))
    later = [message for message in told[first:] if message.id not in known]
    return [*window[:place], *told[:first], *window[place:], *later]


def _latest(window: list[AnyMessage], left: JournaledTurn) -> LatestTurn:
    """Return what the next request must know about the turn that was cut off."""
    first = left.messages[0].id if left.messages else ""
    ids = [""] + [message.id or "" for message in window]
    after = ids[ids.index(first) - 1] if first in ids else ids[-2]
    return LatestTurn(turn_id=left.turn_id, after=after, started_at=left.started_at.timestamp(), whole=False)


async def _waiting_input(saver: BaseCheckpointSaver[Any], config: RunnableConfig) -> list[AnyMessage]:
    """Return the messages of an input that no step has processed."""
    found = await saver.aget_tuple(config)
    given: Any = found.checkpoint["channel_values"].get(START) if found else None
    return list(given.get("messages", ())) if given else []
