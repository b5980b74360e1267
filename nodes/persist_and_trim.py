"""Step 5: after the last word, store the turn and keep the window within its limit."""

from collections.abc import Sequence
from functools import partial

from langchain_core.messages import AIMessage, AnyMessage
from langgraph.runtime import Runtime
from langgraph.types import Overwrite

from ..state.schema import LatestTurn, Turn, VoiceState, VoiceUpdate
from .context import Context, writer_of
from .turn.events import TurnFailed, TurnFinished
from .window.barge_in.heard import audible, cut_turn
from .window.matching.speculation import confirmed
from .window.old_pictures import without_old_pictures
from .window.records import as_records, not_stored
from .window.repair import unanswered
from .window.request_reduction import without_refused
from .window.trim import trim


async def persist_and_trim(state: VoiceState, runtime: Runtime[Context]) -> VoiceUpdate:
    """Announce the end of the turn, then write its messages in one transaction and trim the window.

    Messages are upserted by id, so a replay after a crash writes nothing twice. A turn that has ended before
    is not announced again: the caller reports what was heard of a reply while it was still played.
    """
    context, turn, latest = runtime.context, state["turn"], state.get("latest")
    ended_at = context.clock.now()
    has_ended = latest is not None and latest["turn_id"] == turn["id"] and "ended_at" in latest
    if not has_ended:
        writer_of(runtime)(_last_event(context, turn))
    if "agent" not in state:  # The first turn of the thread failed; the next one stores its messages.
        return {}
    heard = context.stop.heard
    said = list(state["messages"]) if heard is None else cut_turn(state["messages"], heard)
    refused = turn.get("refused")
    window = without_refused(audible(said), refused)
    limits = context.limits
    evicted, kept = trim(window, limit=limits.message_buffer_limit, minimum=limits.message_buffer_min)
    gone = [*(refused["left"] if refused else ()), *(message.id or "" for message in evicted)]
    fresh = not_stored(said, state.get("stored_through"))
    save = partial(
        context.store.messages.save,
        context.actor,
        state["agent"]["id"],
        context.thread_id,
        as_records([*state.get("amended", ()), *fresh], turn),
        evicted=gone,
        ended=turn["id"],
    )
    await context.storing(save)
    if gone:
        context.consolidate(context.actor, state["agent"]["id"])
    settled = _settled_calls(fresh, window)
    if settled:
        discard = partial(context.store.tool_runs.discard, context.actor, context.thread_id, settled)
        await context.storing(discard)
    update: VoiceUpdate = {"stored_through": (window[-1].id or "") if window else ""}
    if state.get("amended"):
        update["amended"] = []
    if latest is not None:
        if not has_ended:
            ended: LatestTurn = {**latest, "whole": not context.stop.dropped, "ended_at": ended_at}
            latest = ended
        update["latest"] = confirmed(latest, heard or "")
    kept = without_old_pictures(kept)
    if kept != state["messages"]:
        update["messages"] = Overwrite(kept)
    return update


def _settled_calls(fresh: Sequence[AnyMessage], window: Sequence[AnyMessage]) -> list[str]:
    """Return the ids of replies whose calls all have final results; their runs need no record."""
    open_ids = {reply.id for reply in unanswered(window)}
    return [
        message.id or ""
        for message in fresh
        if isinstance(message, AIMessage) and message.tool_calls and message.id not in open_ids
    ]


def _last_event(context: Context, turn: Turn) -> TurnFinished | TurnFailed:
    now, began, first = context.clock.now(), turn["started_at"], turn["first_speech_at"]
    first_speech = None if first is None else round(first - began, 4)
    seconds = round(now - began, 4)
    if turn["outcome"] == "failed":
        return TurnFailed(
            turn_id=turn["id"],
            error=turn["error"] or "error",
            message=turn.get("error_message", ""),
            usage=turn["usage"],
            steps=turn["step"],
            first_speech_seconds=first_speech,
            seconds=seconds,
        )
    return TurnFinished(
        turn_id=turn["id"],
        finish_reason=turn["finish_reason"] or "stop",
        usage=turn["usage"],
        steps=turn["step"],
        first_speech_seconds=first_speech,
        seconds=seconds,
    )
