"""Make tools safe to run: catch everything they raise, and preserve what they return.

LangChain runs a coroutine in a new task, from which `KeyboardInterrupt` and `SystemExit` would reach the
event loop and end the process. It also mistakes lists of records for message content.
"""

import asyncio
import functools
import inspect
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, cast

from langchain_core.messages import ToolMessage
from langchain_core.messages.tool import ToolOutputMixin
from langchain_core.tools import BaseTool, StructuredTool, Tool
from pydantic import BaseModel, create_model

from .failures import ToolRaised, comes_from_outside
from .injection import Injections
from .results.result_text import result_text

_injected: ContextVar[Mapping[str, Any]] = ContextVar("voicegraph_injected", default={})  # noqa: B039


class Later(ToolOutputMixin):
    """An awaitable returned by a synchronous function; it is awaited in the event loop."""

    def __init__(self, awaitable: Any) -> None:
        self.awaitable = awaitable


def is_async(tool: BaseTool) -> bool:
    """Return whether the tool has its own coroutine, not LangChain's fallback in an executor."""
    if isinstance(tool, StructuredTool | Tool):
        return tool.coroutine is not None
    return type(tool)._arun is not BaseTool._arun  # pyright: ignore[reportPrivateUsage]


def set_injected(values: Mapping[str, Any]) -> None:
    """Set the injected arguments for the guarded tool that runs next in this task."""
    _injected.set(values)


def guarded(tool: BaseTool, injections: Injections) -> BaseTool:
    """Return a copy of the tool that is safe to run, with the same attributes."""
    kind = type(tool)
    if is_async(tool):
        methods = {"_arun": _guarded_coroutine(kind._arun)}  # pyright: ignore[reportPrivateUsage]
    else:
        methods = {"_run": _guarded_function(kind._run)}  # pyright: ignore[reportPrivateUsage]
    make_class: Any = type(kind)
    twin_kind: type[BaseTool] = make_class(kind.__name__, (kind,), {"__module__": kind.__module__, **methods})
    allocate: Any = object.__new__  # Constructors must not run twice.
    twin: BaseTool = allocate(twin_kind)
    for name in ("__dict__", "__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__"):
        object.__setattr__(twin, name, getattr(tool, name))
    schema = tool.args_schema
    if injections.given and isinstance(schema, type) and issubclass(schema, BaseModel):
        own = {**vars(tool), "args_schema": _without(schema, injections.given)}
        object.__setattr__(twin, "__dict__", own)
    return twin


def _without(schema: type[BaseModel], given: frozenset[str]) -> type[BaseModel]:
    """Return the schema without validation of injected arguments: pydantic would copy a thread's state."""
    fields: dict[str, Any] = {}
    for name in given & schema.model_fields.keys():
        known = schema.model_fields[name]
        default: Any = None if known.is_required() else known.get_default(call_default_factory=True)
        fields[name] = (Any, default)
    return create_model(schema.__name__, __base__=schema, **fields)


def _guarded_coroutine(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    async def guard(self: BaseTool, /, *args: Any, **kwargs: Any) -> Any:
        try:
            value = await original(self, *args, **{**kwargs, **_injected.get()})
            if inspect.isawaitable(value):
                value = await value
            return _output(self, value)
        except (Exception, asyncio.CancelledError):
            raise
        except BaseException as error:
            if comes_from_outside(error):
                raise
            raise ToolRaised(error) from error

    return guard


def _guarded_function(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def guard(self: BaseTool, /, *args: Any, **kwargs: Any) -> Any:
        try:
            value = original(self, *args, **{**kwargs, **_injected.get()})
            return Later(value) if inspect.isawaitable(value) else _output(self, value)
        except Exception:
            raise
        except BaseException as error:  # Signals never reach a thread.
            raise ToolRaised(error) from error

    return guard


def _output(tool: BaseTool, value: Any) -> Any:
    """Return the value as a message, which LangChain passes on unchanged."""
    if tool.response_format == "content_and_artifact" and isinstance(value, tuple):
        content, *artifact = cast(tuple[Any, ...], value)
        return (_message(content), *artifact)  # LangChain refuses other lengths.
    return _message(value)


def _message(value: Any) -> ToolMessage:
    failed = isinstance(value, ToolMessage) and value.status == "error"
    return ToolMessage(result_text(value), tool_call_id="", status="error" if failed else "success")
