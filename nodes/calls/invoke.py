"""Run one tool call to its end: check its arguments, read its result, never raise."""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

import pydantic.v1
from langchain_core.messages import ToolCall, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from langchain_core.tools.base import ToolException
from pydantic import ValidationError

from ..speech.preamble import HEARTBEAT, PREAMBLE
from ..tools.arguments import drop_nulls, restore_integers
from ..tools.failures import ToolRaised, advice, comes_from_outside, summary_of
from ..tools.guard import Later, is_async, set_injected
from ..tools.injection import Surroundings
from ..tools.registry import ToolCallInfo, VoiceTool, set_current_call
from ..tools.results.result_text import result_text
from ..tools.results.results import SENTENCES, Outcome
from ..tools.results.safe_text import safe_text
from .in_thread import in_thread

log = logging.getLogger(__name__)

# A model inside a tool must not be heard, and a graph inside it must not be taken for ours.
_DETACHED = RunnableConfig(callbacks=[], tags=["nostream"])


@dataclass(frozen=True, slots=True)
class Ended:
    """How a call ended: `text` is for the model, `message` for developers (`None` after a success)."""

    outcome: Outcome
    text: str
    message: str | None = None


def tool_arguments(tool: VoiceTool, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the model's arguments as the tool gets them.

    Without preamble, heartbeat, injected arguments, and nulls for omitted arguments.
    """
    taken = {PREAMBLE, HEARTBEAT} | tool.injections.hidden
    own = {name: value for name, value in arguments.items() if name not in taken}
    own = restore_integers(own, tool.parameters, tool.definitions)
    return drop_nulls(own, tool.parameters, tool.definitions)


async def invoke_tool(
    tool: VoiceTool, call: ToolCall, info: ToolCallInfo, surroundings: Surroundings | None = None
) -> Ended:
    """Run the call and return its outcome. Raises only if the task is cancelled or the process ends."""
    try:
        set_current_call(info)
        set_injected(tool.injections.values(surroundings, info.tool_call_id) if surroundings else {})
        answer = await _answer(tool.runner, {**call, "args": tool_arguments(tool, call["args"])})
        failed = isinstance(answer, ToolMessage) and answer.status == "error"
        text = result_text(answer)
        return Ended("error", text, "the tool reported an error") if failed else Ended("success", text)
    except BaseException as error:
        if _is_cancellation(error) or comes_from_outside(error):
            raise
        return _ended(tool, info, error.error if isinstance(error, ToolRaised) else error)


async def _answer(runner: BaseTool, call: dict[str, Any]) -> Any:
    prepared: Any = {**call, "type": "tool_call"}
    if is_async(runner):
        answer = await runner.ainvoke(prepared, _DETACHED)
    else:
        answer = await in_thread(lambda: runner.invoke(prepared, _DETACHED))
    return await answer.awaitable if isinstance(answer, Later) else answer


def _is_cancellation(error: BaseException) -> bool:
    """Return whether this task is being cancelled; a tool may raise `CancelledError` by itself."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and (task is None or task.cancelling() > 0)


def _ended(tool: VoiceTool, info: ToolCallInfo, error: BaseException) -> Ended:
    """Return the outcome of a call that raised, and log it; text and traceback only at DEBUG."""
    known = {"tool": tool.name, "thread_id": info.thread_id, "agent": info.agent_name}
    faults = _argument_faults(tool.runner, error)
    own = [fault for fault in faults if fault["loc"][:1] and fault["loc"][0] in tool.injections.hidden]
    if faults and not own:
        message = f"wrong arguments ({', '.join(sorted({fault['type'] for fault in faults}))})"
        log.warning("a model gave a tool wrong arguments", extra={**known, "error": message})
        return Ended("bad_arguments", _faults_text(faults), message)
    message = ": ".join(filter(None, [summary_of(error, tool.tool), advice(error)]))
    log.warning(advice(error) or "a tool failed", extra={**known, "error": message})
    log.debug("how a tool failed", extra=known, exc_info=error)
    return Ended("error", _text_of(error) or SENTENCES["error"], message)


def _text_of(error: BaseException) -> str:
    """Return the text that a tool's author wrote for the model, empty for any other exception."""
    if not isinstance(error, ToolException):
        return ""
    try:
        return safe_text(str(error)).strip()
    except Exception:
        return ""


def _argument_faults(tool: BaseTool, error: BaseException) -> list[Any]:
    """Return the validation errors of the arguments, empty for an error inside the tool."""
    schema: Any = tool.args_schema
    if isinstance(error, ValidationError) and isinstance(schema, type) and hasattr(schema, "model_config"):
        title = schema.model_config.get("title") or schema.__name__  # pyright: ignore
        if error.title == title:
            return list(error.errors(include_url=False, include_input=False, include_context=False))
    if isinstance(error, pydantic.v1.ValidationError) and error.model is schema:
        return list(error.errors())
    return []


def _faults_text(faults: list[Any]) -> str:
    """Describe the faults without repeating values."""
    faults_in_words = [
        f"{'.'.join(str(part) for part in fault['loc']) or 'arguments'}: {fault['msg']}" for fault in faults
    ]
    return safe_text("Wrong arguments. " + "; ".join(faults_in_words))
