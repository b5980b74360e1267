"""Step 3: run all tool calls of the reply concurrently; each gives one result, in order."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, cast

from langchain_core.messages import AIMessage, ToolCall, ToolMessage
from langgraph.runtime import Runtime
from langgraph.types import Overwrite

from ..state.conversations.tool_runs import ToolRun
from ..state.schema import VoiceState, VoiceUpdate
from .calls.run_call import CallRun
from .context import CallContext, Context, writer_of
from .replies.client_tools import client_calls
from .replies.failed_step import ends_turn_on_error
from .replies.filler import fill_silence
from .replies.reply import BAD_ARGUMENTS, SPOKEN
from .tools.injection import Surroundings
from .tools.registry import VoiceTool
from .tools.results.results import OWN_NAME, tool_message

log = logging.getLogger(__name__)


@ends_turn_on_error
async def execute_tool(state: VoiceState, runtime: Runtime[Context]) -> VoiceUpdate:
    """Answer every call of the last reply: success, error, bad arguments, unknown tool, timeout, cancelled.

    The window is replaced as a whole (`Overwrite`): in `messages` mode LangGraph would stream single tool
    messages to hosts that read them aloud.
    """
    context, speaker = runtime.context, runtime.context.speaker
    *window, reply = state["messages"]
    if not isinstance(reply, AIMessage):
        return {}
    handed_over = client_calls(state, context, state["turn"], reply)
    earlier = await _earlier_runs(context, reply)
    await speaker.attach(writer_of(runtime), reply.id or "")
    before = len(speaker.spoken)
    try:
        async with fill_silence(context):
            results = await asyncio.gather(
                *(
                    _answer(state, runtime, reply, call, earlier.get(call["id"] or ""))
                    for call in reply.tool_calls
                    if call not in handed_over
                )
            )
    finally:
        await speaker.detach()
    turn = state["turn"].copy()
    turn.update(spoken=speaker.spoken, first_speech_at=speaker.first_speech_at)
    if context.stop.requested:
        turn.update(outcome="interrupted", finish_reason="interrupted")
    elif handed_over:  # The client runs its own tools, and sends the results with its next request.
        turn.update(outcome="finished", finish_reason="tool_calls")
    reply = _with_own_names(_with_speech(reply, speaker.spoken[before:]), results)
    return {"messages": Overwrite([*window, reply, *results]), "turn": turn}


async def _earlier_runs(context: Context, reply: AIMessage) -> dict[str, ToolRun]:
    """Return the tool runs from before a crash; a run that starts a new turn has none."""
    if not context.resumed:
        return {}
    return await context.store.tool_runs.of_message(context.actor, context.thread_id, reply.id or "")


async def _answer(
    state: VoiceState, runtime: Runtime[Context], reply: AIMessage, call: ToolCall, earlier: ToolRun | None
) -> ToolMessage:
    context = runtime.context
    limit, now = context.limits.tool_result_chars, context.clock.now()
    tools = context.toolbox.of_agent(state["agent"]["tools"])
    tool = tools.get(call["name"])
    if tool is None:
        log.warning("a model called an unknown tool", extra={"thread_id": context.thread_id})
        text = f"There is no tool '{call['name'][:64]}'. There are: {', '.join(tools) or 'none'}."
        return tool_message(reply.id, call, "unknown_tool", text, created_at=now, limit=limit)
    if call["id"] in reply.additional_kwargs.get(BAD_ARGUMENTS, ()):
        text = "Wrong arguments: they were not a JSON object. Call again with valid JSON."
        return tool_message(
            reply.id, call, "bad_arguments", text, created_at=now, limit=limit, tool=tool.name
        )

    run = CallRun(
        context=context,
        agent=state["agent"],
        message_id=reply.id or "",
        call=call,
        tool=tool,
        emit=writer_of(runtime),
        surroundings=_surroundings(state, runtime, tools),
        made=state["turn"].get("made", ()),
    )
    return await run.result(earlier)


def _surroundings(
    state: VoiceState, runtime: Runtime[Context], tools: Mapping[str, VoiceTool]
) -> Surroundings:
    """Return the values that can be injected into tools."""
    context = runtime.context
    caller = CallContext(
        organization=context.actor.organization_id, user=context.actor.user_id, agent=state["agent"]["name"]
    )
    given = [tool.tool for tool in tools.values()]
    return Surroundings(state=cast(Mapping[str, Any], state), runtime=runtime, caller=caller, tools=given)


def _with_speech(reply: AIMessage, spoken: str) -> AIMessage:
    """Return the reply with the filler that was spoken while its tools ran."""
    if not spoken:
        return reply
    said = reply.additional_kwargs.get(SPOKEN, reply.text)
    all_spoken = f"{said} {spoken.strip()}".strip()
    return reply.model_copy(update={"additional_kwargs": {**reply.additional_kwargs, SPOKEN: all_spoken}})


def _with_own_names(reply: AIMessage, results: Sequence[ToolMessage]) -> AIMessage:
    """Return the reply with the tools' own names, for the record, where they were offered under others."""
    own = {
        result.tool_call_id: result.additional_kwargs[OWN_NAME]
        for result in results
        if OWN_NAME in result.additional_kwargs
    }
    if not own:
        return reply
    return reply.model_copy(update={"additional_kwargs": {**reply.additional_kwargs, OWN_NAME: own}})
