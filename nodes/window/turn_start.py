"""Start a turn: find its new messages, from the client's history or from what was added."""

from langchain_core.messages import AnyMessage, ToolCall, ToolMessage

from ...state.schema import LatestTurn, Turn, VoiceState
from ..context import Context
from ..tools.results.results import OUTCOME
from .matching.speculation import Reconciling
from .reconcile import Reconciled, reconcile

_REDIALLED = 1 / 3
"""Share of `settle_after` within which a caller cannot hang up, call again and speak."""
_UNDONE = ("cancelled", "bad_arguments", "unknown_tool")


def begin(state: VoiceState, context: Context, turn: Turn) -> tuple[Reconciled, LatestTurn]:
    """Return the window at the start of the turn, and what the next turn must know about this one.

    With a client's history the window is reconciled with it first.
    """
    if "began_with" in turn:
        begun = Reconciled(state["messages"], after=_before(state["messages"], turn["began_with"]))
    else:
        begun = reconcile(state["messages"], state.get("history", []), _rules(state, context, turn))
    history, before = state.get("history", []), state.get("latest")
    said = sum(message["role"] == "user" for message in history)
    keeps = said > 1 or any(message["role"] == "assistant" for message in history)
    latest = LatestTurn(
        turn_id=turn["id"],
        after=begun.after,
        started_at=turn["started_at"],
        whole=False,
        history_size=begun.history_size,
        request=begun.request,
        asked_with=begun.asked_with,
        keeps_history=keeps or (before is not None and before.get("keeps_history", False)),
    )
    return begun, latest


def messages_after(messages: list[AnyMessage], after: str) -> list[AnyMessage]:
    """Return the messages after the one with the id `after`; all if it is missing."""
    ids = [message.id for message in messages]
    return messages[ids.index(after) + 1 :] if after in ids else messages


def _before(messages: list[AnyMessage], began_with: str) -> str:
    ids = [""] + [message.id or "" for message in messages]
    return ids[ids.index(began_with) - 1] if began_with in ids else ids[-1]


def _said_at(latest: LatestTurn) -> float:
    return latest.get("ended_at", latest["started_at"]) if latest["whole"] else latest["started_at"]


def _rules(state: VoiceState, context: Context, turn: Turn) -> Reconciling:
    latest = state.get("latest")
    age = turn["started_at"] - latest["started_at"] if latest else 0.0
    # A reply is not answered before it is sent: a request that comes sooner is the same one, or a correction.
    said_at = _said_at(latest) if latest else turn["started_at"]
    tools = context.toolbox.of_agent(state["agent"]["tools"]) if "agent" in state else {}
    done = {
        message.tool_call_id
        for message in state["messages"]
        if isinstance(message, ToolMessage) and message.additional_kwargs.get(OUTCOME) not in _UNDONE
    }

    def lasting(call: ToolCall) -> bool:
        tool = tools.get(call["name"])
        return tool is not None and tool.options.side_effects and call["id"] in done

    return Reconciling(
        latest=latest,
        provisional=latest is not None and age < context.limits.settle_after and not latest.get("confirmed"),
        lasting=lasting,
        now=context.clock.now(),
        # A turn that starts before the last one was timed by another clock: its age is unknown.
        firm=age < 0 or turn["started_at"] - said_at >= context.limits.speculative_grace,
        recent=age < context.limits.settle_after * _REDIALLED,
    )
