"""Step 4: set the hidden instruction for the next model call, or end a turn that was stopped.

Unrelated to LangGraph's `Runtime.heartbeat`, which resets an idle timeout.
"""

from langchain_core.messages import ToolMessage
from langgraph.runtime import Runtime

from ..state.schema import VoiceState, VoiceUpdate
from .context import Context
from .replies.failed_step import ends_turn_on_error

FINISHED = "The tools have finished. Tell the user the result briefly, or call another tool if needed."
FAILED = "A tool failed. Tell the user plainly, or try another way."
LAST_STEP = "Answer the user now with what you know. No more tools can be called in this turn."


@ends_turn_on_error
async def heartbeat(state: VoiceState, runtime: Runtime[Context]) -> VoiceUpdate:
    """Prepare the next model call of the turn; the instruction is never stored as a user message."""
    failed = False
    for message in reversed(state["messages"]):
        if not isinstance(message, ToolMessage):
            break
        failed = failed or message.status == "error"
    instruction = FAILED if failed else FINISHED
    if state["turn"]["step"] + 1 >= runtime.context.limits.max_steps:
        instruction = f"{instruction} {LAST_STEP}" if failed else LAST_STEP
    turn = state["turn"].copy()
    turn.update(instruction=instruction)
    if runtime.context.stop.requested and turn["outcome"] == "running":
        turn.update(outcome="interrupted", finish_reason="interrupted")
    return {"turn": turn}
