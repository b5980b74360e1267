"""Run one tool call to its end: check its arguments, keep its time, never raise."""

import asyncio
import contextvars
import logging
import threading
from collections.abc import Callable
from typing import Any

from langchain_core.messages import ToolCall, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, StructuredTool, Tool
from langchain_core.tools.base import ToolException
from pydantic import BaseModel, ValidationError

from ..preamble import HEARTBEAT, PREAMBLE
from .registry import ToolCallInfo, VoiceTool, set_current_call
from .results import SENTENCES, Outcome, result_text
from .schema import drop_nulls

log = logging.getLogger(__name__)

# A model inside a tool must not be heard, nor a graph inside it be seen as ours.
_DETACHED = RunnableConfig(callbacks=[], tags=["nostream"])


def tool_arguments(tool: VoiceTool, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return what the tool gets: neither preamble nor heartbeat, and no null for what was left out."""
    own = {name: value for name, value in arguments.items() if name not in (PREAMBLE, HEARTBEAT)}
    return drop_nulls(own, tool.parameters)


async def invoke_tool(tool: VoiceTool, call: ToolCall, info: ToolCallInfo) -> tuple[Outcome, str]:
    """Return the outcome of the call and the text for the model. Only cancellation is raised."""
    set_current_call(info)
    prepared: Any = {**call, "args": tool_arguments(tool, call["args"]), "type": "tool_call"}
    try:
        if _is_async(tool.tool):
            answer = await tool.tool.ainvoke(prepared, _DETACHED)
        else:
            answer = await in_thread(lambda: tool.tool.invoke(prepared, _DETACHED))
    except asyncio.CancelledError:
        if _is_cancelled():
            raise
        return _failed(tool, "cancelled by itself")
    except ToolException as error:
        return "error", str(error)  # Raised by a tool's author for the model to read.
    except (Exception, SystemExit) as error:  # A tool may raise anything; the turn goes on.
        if isinstance(error, ValidationError) and error.title == _schema_title(tool.tool):
            return "bad_arguments", _validation_text(error)
        return _failed(tool, type(error).__name__)
    if isinstance(answer, ToolMessage):
        return ("error" if answer.status == "error" else "success"), result_text(answer.content)
    return "success", result_text(answer)


def _is_async(tool: BaseTool) -> bool:
    """Tell if the tool has a coroutine of its own; LangChain's stand-in runs it in the loop's executor."""
    if isinstance(tool, StructuredTool | Tool):
        return tool.coroutine is not None
    return type(tool)._arun is not BaseTool._arun  # pyright: ignore[reportPrivateUsage]


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def _failed(tool: VoiceTool, error: str) -> tuple[Outcome, str]:
    log.warning("tool failed", extra={"tool": tool.name, "error": error})
    return "error", SENTENCES["error"]


def _schema_title(tool: BaseTool) -> str | None:
    """Return what an error in the tool's arguments is titled, unlike one that the tool meets in its work."""
    schema = tool.args_schema
    if not (isinstance(schema, type) and issubclass(schema, BaseModel)):
        return None
    return schema.model_config.get("title") or schema.__name__


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
    result: asyncio.Future[tuple[Any, BaseException | None]] = loop.create_future()
    context = contextvars.copy_context()

    def settle(outcome: tuple[Any, BaseException | None]) -> None:
        if not result.done():
            result.set_result(outcome)

    def run() -> None:
        try:
            outcome = context.run(work), None
        except BaseException as error:  # Handed to the task that waits.
            outcome = None, error
        try:
            loop.call_soon_threadsafe(settle, outcome)
        except RuntimeError:  # The loop has closed: nobody waits any more.
            log.warning("a tool ended after its process had closed")

    threading.Thread(target=run, daemon=True, name="voicegraph-tool").start()
    value, error = await result
    if error is not None:
        raise error
    return value
