"""Failures of tools: which exceptions are a tool's own, and how they are reported to developers."""

import asyncio
import inspect
import signal
from collections.abc import Iterator
from types import CodeType, TracebackType
from typing import Any, cast

from langchain_core.tools import BaseTool
from langgraph.errors import GraphBubbleUp


class ToolRaised(Exception):
    """Wraps a tool's exception that would stop the event loop, such as `SystemExit`."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(type(error).__name__)
        self.error = error


class Unsupported(Exception):
    """A tool uses a feature that turns do not support; the text is for the tool's author."""


def comes_from_outside(error: BaseException) -> bool:
    """Return whether the exception comes from a process exit or a closed coroutine, not from the tool itself.

    Ctrl-C and a closed coroutine raise in places without a `raise` statement, or in a signal handler of the
    process.
    """
    if not isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit):
        return False
    steps = list(_steps(error.__traceback__))
    handlers = {code for number in signal.valid_signals() if (code := _code_of(signal.getsignal(number)))}
    if any(step.tb_frame.f_code in handlers for step in steps):
        return True
    return not isinstance(error, SystemExit) and not (steps and _raises(steps[-1]))


def summary_of(error: BaseException, tool: BaseTool) -> str:
    """Return the type of an exception and the innermost line of the tool's own file in its traceback."""
    place = ""
    steps = list(_steps(error.__traceback__))
    if steps:
        source = _source_of(tool)
        own = [step for step in steps if step.tb_frame.f_code.co_filename == source]
        last = (own or steps)[-1]
        file = last.tb_frame.f_code.co_filename.replace("\\", "/").rpartition("/")[2]
        place = f" at {file}:{last.tb_lineno} in {last.tb_frame.f_code.co_name}"
    return f"{_kind(error)}{place}"


def advice(error: BaseException) -> str:
    """Return a hint for the tool's author; empty for most exceptions."""
    if isinstance(error, GraphBubbleUp):
        return "interrupt() is not supported in a tool: a turn does not wait; let the model ask the caller"
    if isinstance(error, Unsupported):
        return str(error)
    return "it was cancelled by itself" if isinstance(error, asyncio.CancelledError) else ""


def _source_of(tool: BaseTool) -> str | None:
    """Return the file of the tool's function."""
    function: Any = getattr(tool, "coroutine", None) or getattr(tool, "func", None) or type(tool)._run  # pyright: ignore
    return getattr(getattr(inspect.unwrap(function), "__code__", None), "co_filename", None)


def _kind(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        group = cast(BaseExceptionGroup[BaseException], error)
        members = ", ".join(_kind(member) for member in group.exceptions[:5])
        return f"{type(group).__name__} ({members})"
    return type(error).__name__


def _steps(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def _raises(step: TracebackType) -> bool:
    """Return whether the frame stopped at a `raise` statement."""
    import opcode  # Rarely needed.

    return opcode.opname[step.tb_frame.f_code.co_code[step.tb_lasti]] in ("RAISE_VARARGS", "RERAISE")


def _code_of(handler: Any) -> CodeType | None:
    while hasattr(handler, "func"):  # asyncio installs a `functools.partial` of a method.
        handler = handler.func
    return getattr(getattr(handler, "__func__", handler), "__code__", None)
