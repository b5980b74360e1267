"""Load tools: LangChain tools or plain typed functions, by object, `module:function` or name."""

import importlib
import inspect
from collections.abc import AsyncIterable, Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, get_args, get_origin

from langchain_core.tools import BaseTool, StructuredTool, Tool
from langgraph.types import Command

from ...state.errors import InvalidSetting
from .built_in.catalog import BUILT_IN
from .failures import comes_from_outside
from .guard import guarded, is_async
from .injection import annotations_of, injections_of
from .names import legal_name
from .registry import VoiceTool, options_of
from .results.safe_text import safe_text
from .schemas.json_schema import UnusableSchema
from .schemas.schema import read_arguments

ToolSource = BaseTool | Callable[..., Any] | str

_TAKEN = frozenset(("config", "run_manager"))
"""Argument names that LangChain reserves: without its own types they never reach the function."""


def load_tool(source: ToolSource) -> VoiceTool:
    """Return the tool for a LangChain tool, a typed function, a path `package.module:function` or a name.

    A name is that of a built-in tool. Raises `InvalidSetting` if there is none, and for a tool that cannot be
    offered or run.
    """
    found: Any = _import(source) if isinstance(source, str) else source
    ours = inspect.isfunction(found) and found.__module__.startswith(f"{__package__}.")
    return _load_once(found) if ours else _load(found)


def _load(source: BaseTool | Callable[..., Any]) -> VoiceTool:
    name = safe_text(str(getattr(source, "name", None) or getattr(source, "__name__", "?")))
    try:
        return _voice_tool(source if isinstance(source, BaseTool) else _from_function(source))
    except InvalidSetting:
        raise
    except UnusableSchema as error:
        raise InvalidSetting(
            f"the arguments of the tool '{name}' have no JSON schema for a model: {error}"
        ) from error
    except Exception as error:
        reason = " ".join(safe_text(str(error)).split())[:200] or type(error).__name__
        raise InvalidSetting(f"the tool '{name}' cannot be used: {reason}") from error


_load_once = lru_cache(_load)
"""Cached for the built-in tools: making the schema of a function takes milliseconds."""


def _voice_tool(tool: BaseTool) -> VoiceTool:
    name = safe_text(tool.name)
    if not name.strip():
        raise InvalidSetting(f"a {type(tool).__name__} without a name is not a tool")
    functions = _functions_of(tool)
    for function in functions:
        _require_plain_result(name, function)
    injections = injections_of(tool, functions)
    parameters, definitions = read_arguments(tool, injections.hidden)
    taken = _TAKEN.intersection(parameters["properties"])
    if taken and isinstance(tool, StructuredTool | Tool):
        raise InvalidSetting(
            f"the tool '{name}' cannot be used: LangChain removes the argument '{min(taken)}': rename it"
        )
    loaded = VoiceTool(
        tool=tool,
        runner=guarded(tool, injections),
        options=options_of(tool),
        offered=legal_name(name),
        parameters=parameters,
        definitions=definitions,
        injections=injections,
    )
    _ = (
        loaded.strict,
        loaded.describe(strict=False),
    )  # Detect arguments that cannot be described now, not in a call.
    return loaded


def _functions_of(tool: BaseTool) -> Sequence[Callable[..., Any]]:
    """Return the functions that a call runs."""
    if isinstance(tool, StructuredTool | Tool):
        function = tool.coroutine or tool.func
        return [function] if function else []
    return [tool._arun if is_async(tool) else tool._run]  # pyright: ignore[reportPrivateUsage]


def _require_plain_result(name: str, function: Callable[..., Any]) -> None:
    """Raise `InvalidSetting` for a function whose return type a turn cannot handle."""
    plain = inspect.unwrap(function)
    result = annotations_of(function).get("return")
    classes = [part for part in _parts(result) if isinstance(part, type)]
    reason = ""
    if any(issubclass(part, Command) for part in classes) or (
        isinstance(result, str) and "Command" in result
    ):
        reason = "it returns a Command, which is not supported"
    elif any(issubclass(part, Iterator | AsyncIterable) for part in classes):
        reason = "it returns an iterator: return the whole result"
    elif inspect.isgeneratorfunction(plain) or inspect.isasyncgenfunction(plain):
        reason = "it is a generator: return the whole result"
    if reason:
        raise InvalidSetting(f"the tool '{name}' cannot be used: {reason}")


def _parts(annotation: Any) -> list[Any]:
    """Return the components of a type, including itself."""
    found = [annotation, get_origin(annotation)]
    return found + [part for argument in get_args(annotation) for part in _parts(argument)]


def _from_function(source: Any) -> BaseTool:
    if not inspect.isroutine(source):
        raise InvalidSetting(f"{type(source).__name__} is not a tool: give a function or a LangChain tool")
    if not inspect.getdoc(source):
        raise InvalidSetting(f"the tool '{source.__name__}' needs a docstring: the model reads it")
    if inspect.iscoroutinefunction(source):
        return StructuredTool.from_function(coroutine=source)
    return StructuredTool.from_function(source)


def _import(path: str) -> Any:
    if path in BUILT_IN:
        return getattr(importlib.import_module(f".built_in.{BUILT_IN[path]}", __package__), path)
    module_name, _, attribute = path.partition(":")
    if not (module_name and attribute):
        names = ", ".join(BUILT_IN)
        raise InvalidSetting(f"'{path}' is not a tool: write package.module:function or one of {names}")
    try:
        module = importlib.import_module(module_name)
    except BaseException as error:
        if comes_from_outside(error):
            raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InvalidSetting(f"the tool '{path}' cannot be imported: {reason}") from error
    try:
        return getattr(module, attribute)
    except AttributeError as error:
        raise InvalidSetting(f"the module '{module_name}' has no '{attribute}'") from error
