"""Tool calls that a thread made later in a turn: a fork must not repeat them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, ToolMessage

from ...nodes.tools.results.results import OUTCOME, SENTENCES
from ...nodes.window.records import as_records
from ...state.agents.actors import Actor
from ...state.conversations.message_rows import MessageRecord
from ...state.conversations.tool_runs import ToolRun
from ...state.schema import MadeCall, Turn
from ..turns.turn_config import config_of
from ..turns.turn_graph import TurnGraph

_NEWEST = 1000
"""Maximum number of messages searched: a turn that still has checkpoints is among the last ones."""
_RAN = ("success", "error", "unknown", "running")


@dataclass(frozen=True, slots=True, kw_only=True)
class PastCall:
    """A call whose tool was started; the `outcome` is `unknown` if no result was recorded."""

    message_id: str
    id: str
    tool: str
    arguments: dict[str, Any]
    outcome: str
    result: str

    def as_made(self) -> MadeCall:
        """Return it as stored in the turn of a fork."""
        return MadeCall(tool=self.tool, arguments=self.arguments, outcome=self.outcome, result=self.result)

    def as_run(self, thread_id: str) -> ToolRun:
        """Return it as a tool run of another thread."""
        now, known = datetime.now(UTC), self.outcome != "unknown"
        return ToolRun(
            thread_id=thread_id,
            message_id=self.message_id,
            tool_call_id=self.id,
            tool=self.tool,
            status="finished" if known else "started",
            outcome=self.outcome if known else None,
            result=self.result if known else None,
            started_at=now,
            finished_at=now if known else None,
        )


async def past_calls(
    graph: TurnGraph, actor: Actor, thread_id: str, window: Sequence[AnyMessage], turn: Turn
) -> list[PastCall]:
    """Return the started calls of `turn` on the thread that have no result in `window`.

    Calls stored in the turn itself, on a fork of a fork, come first.
    """
    settled = {
        message.tool_call_id
        for message in window
        if isinstance(message, ToolMessage) and message.additional_kwargs.get(OUTCOME) != "running"
    }
    records = await _records(graph, actor, thread_id, turn)
    results = {record.tool_call_id: record for record in records if record.role == "tool"}
    found = [PastCall(message_id="", id="", **made) for made in turn.get("made", ())]
    for record in records:
        runs: dict[str, ToolRun] = {}
        if record.tool_calls:
            runs = await graph.resources.store.tool_runs.of_message(actor, thread_id, record.id)
        for call in record.tool_calls or ():
            outcome, result = _end(results.get(call["id"]), runs.get(call["id"]))
            if outcome in _RAN and call["id"] not in settled:
                found.append(
                    PastCall(
                        message_id=record.id,
                        id=call["id"],
                        tool=call["name"],
                        arguments=dict(call["args"]),
                        outcome=outcome,
                        result=result,
                    )
                )
    return found


async def _records(graph: TurnGraph, actor: Actor, thread_id: str, turn: Turn) -> list[MessageRecord]:
    """Return the turn's messages: the stored ones, then those that a crash left only in the window."""
    stored = await graph.resources.store.messages.history(actor, thread_id, limit=_NEWEST)
    head = (await graph.aget_state(config_of(actor, thread_id))).values
    records: dict[str, MessageRecord] = {}
    if "turn" in head and head["turn"]["id"] == turn["id"]:
        calling = [m for m in head["messages"] if isinstance(m, AIMessage | ToolMessage)]
        records = {record.id: record for record in as_records(calling, head["turn"])}
    return list(records.values()) + [
        record for record in stored if record.turn_id == turn["id"] and record.id not in records
    ]


def _end(told: MessageRecord | None, run: ToolRun | None) -> tuple[str, str]:
    """Return how a call ended, from its message or its record; the outcome is empty if it never started."""
    if told is not None and told.status not in ("running", None):
        return told.status, told.text
    if run is not None and run.finished_at is not None:
        return run.outcome or "success", run.result or ""
    begun = run is not None or told is not None
    return ("unknown", SENTENCES["unknown"]) if begun else ("", "")
