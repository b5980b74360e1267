"""Run one tool call to its end: check its arguments, keep its time, never raise."""

import asyncio
import contextvars
import logging
import threading
from collections.abc import Callable
from typing import Any

from langchain_core.messages import ToolCall, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import StructuredTool
from langchain_core.tools.base import ToolException
from pydantic import ValidationError

from ..preamble import HEARTBEAT, PREAMBLE
from .registry import ToolCallInfo, VoiceTool, set_current_call
from .results import SENTENCES, Outcome, result_text

log = logging.getLogger(__name__)

# A model inside a tool must not be heard, nor a graph inside it be seen as ours.
_DETACHED = RunnableConfig(callbacks=[], tags=["nostream"])


def tool_arguments(tool: VoiceTool, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return what the tool gets: neither preamble nor heartbeat, and no null for what was left out."""
    return {
        name: value
        for name, value in arguments.items()
        if name not in (PREAMBLE, HEARTBEAT) and not (value is None and name in tool.optional)
    }


async def invoke_tool(tool: VoiceTool, call: ToolCall, info: ToolCallInfo) -> tuple[Outcome, str]:
    """Return the outcome of the call and the text for the model. Only cancellation is raised."""
    set_current_call(info)
    prepared: Any = {**call, "args": tool_arguments(tool, call["args"]), "type": "tool_call"}
    try:
        if _has_coroutine(tool):
            answer = await tool.tool.ainvoke(prepared, _DETACHED)
        else:
            answer = await in_thread(lambda: tool.tool.invoke(prepared, _DETACHED))
    except ValidationError as error:
        return "bad_arguments", _validation_text(error)
    except ToolException as error:
        return "error", str(error)  # Raised by a tool's author for the model to read.
    except Exception as error:
        log.warning("tool failed", extra={"tool": tool.name, "error": type(error).__name__})
        return "error", SENTENCES["error"]
    if isinstance(answer, ToolMessage):
        return ("error" if answer.status == "error" else "success"), result_text(answer.content)
    return "success", result_text(answer)


def _has_coroutine(tool: VoiceTool) -> bool:
    if isinstance(tool.tool, StructuredTool):
        return tool.tool.coroutine is not None
    return type(tool.tool)._arun is not type(tool.tool).__mro__[-1] and "_arun" in vars(type(tool.tool))


def _validation_text(error: ValidationError) -> str:
    """Return what is wrong with the arguments, without repeating their values."""
    faults = [
        f"{'.'.join(str(part) for part in fault['loc']) or 'arguments'}: {fault['msg']}"
        for fault in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    return "Wrong arguments. " + "; ".join(faults)


async def in_thread(work: Callable[[], Any]) -> Any:
    """Run `work` in a daemon thread of its own and return its result.

    Not in the loop's executor: its few threads would make slow tools wait for each other, and one that
    hangs would hold the process at its exit.
    """
    loop = asyncio.get_running_loop()
    result: asyncio.Future[Any] = loop.create_future()
    context = contextvars.copy_context()

    def settle(set_it: Callable[[Any], None], value: Any) -> None:
        if not result.done():
            set_it(value)

    def run() -> None:
        try:
            value = context.run(work)
        except BaseException as error:
            outcome, value = result.set_exception, error
        else:
            outcome = result.set_result
        try:
            loop.call_soon_threadsafe(settle, outcome, value)
        except RuntimeError:  # The loop has closed: nobody waits any more.
            log.warning("a tool ended after its process had closed")

    threading.Thread(target=run, daemon=True, name="voicegraph-tool").start()
    return await result
