"""Arguments injected into a tool, marked as in LangChain and LangGraph.

`ToolRuntime`, `InjectedState`, `InjectedStore`, `InjectedToolCallId` and `RunnableConfig` get the same values
as from LangGraph's `ToolNode`. They are never offered to a model, and values that a model sends for them are
discarded.
"""

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from langchain_core.runnables import RunnableConfig, ensure_config
from langchain_core.tools import BaseTool, InjectedToolArg, InjectedToolCallId
from langgraph.runtime import Runtime
from pydantic import BaseModel

from ...state.errors import InvalidSetting
from ...state.schema import VoiceState
from .failures import Unsupported

_BY_NAME = ("callbacks", "run_manager")
"""Arguments that LangChain fills by name, regardless of annotation."""
_RUNTIME = "runtime"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The values that can be injected into the tools of one step."""

    state: Mapping[str, Any]
    runtime: Runtime[Any]
    caller: Mapping[str, Any]
    """Organization, user and agent."""
    tools: Sequence[BaseTool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Injections:
    """The injected arguments of one tool."""

    hidden: frozenset[str] = frozenset()
    """All arguments that are not offered to a model."""
    runtime: tuple[str, ...] = ()
    store: tuple[str, ...] = ()
    state: Mapping[str, str | None] = field(default_factory=dict[str, str | None])
    """Keys of the state by argument, `None` for the whole state."""
    optional: frozenset[str] = frozenset()
    """Arguments with a default."""

    @property
    def given(self) -> frozenset[str]:
        """The arguments filled by `values`; LangChain fills the others."""
        return frozenset((*self.runtime, *self.store, *self.state))

    def values(self, surroundings: Surroundings, call_id: str) -> dict[str, Any]:
        """Return the values for one call. Raises `Unsupported` for a key missing from the state."""
        values: dict[str, Any] = dict.fromkeys(self.store, surroundings.runtime.store)
        for name, key in self.state.items():
            if key is None:
                values[name] = dict(surroundings.state)
            elif key in surroundings.state:
                values[name] = surroundings.state[key]
            elif name not in self.optional:
                raise Unsupported(f"the state has no '{key}' in this turn: give the argument a default")
        if self.runtime:
            values |= dict.fromkeys(self.runtime, _tool_runtime(surroundings, call_id))
        return values


def _tool_runtime(surroundings: Surroundings, call_id: str) -> Any:
    from langgraph.prebuilt import ToolRuntime  # The tool's module has already imported it.

    runtime = surroundings.runtime
    values: dict[str, Any] = {
        "state": dict(surroundings.state),
        "context": dict(surroundings.caller),
        "config": ensure_config(),
        "stream_writer": runtime.stream_writer,
        "tool_call_id": call_id,
        "store": runtime.store,
        "tools": list(surroundings.tools),
        "execution_info": getattr(runtime, "execution_info", None),
        "server_info": getattr(runtime, "server_info", None),
    }
    known = {each.name for each in fields(ToolRuntime)}  # Older versions have fewer.
    return ToolRuntime(**{name: value for name, value in values.items() if name in known})


def injections_of(tool: BaseTool, functions: Sequence[Callable[..., Any]]) -> Injections:
    """Return the injected arguments of a tool that runs these functions.

    Raises `InvalidSetting` for an argument that cannot be injected.
    """
    found: dict[str, list[_Argument]] = {}
    for argument in _arguments(tool, functions):
        found.setdefault(argument.name, []).append(argument)
    hidden: set[str] = {*_BY_NAME}
    given: dict[str, dict[str, str | None]] = {"runtime": {}, "state": {}, "store": {}}
    optional = frozenset(name for name, forms in found.items() if all(form.optional for form in forms))
    for name, forms in found.items():
        marks = {mark: None for form in forms for mark in _marks_of(form)}
        for kind, key in marks:
            hidden.add(name)
            reason = _why_not(kind, key, name in optional, forms)
            if reason:
                raise InvalidSetting(f"the tool '{tool.name}' cannot be used: its argument '{name}' {reason}")
            if kind in given:
                given[kind][name] = key
    return Injections(
        hidden=frozenset(hidden),
        runtime=tuple(given["runtime"]),
        store=tuple(given["store"]),
        state=given["state"],
        optional=optional,
    )


@dataclass(frozen=True, slots=True)
class _Argument:
    """An argument of a tool, as declared by its function or schema."""

    name: str
    annotation: Any
    marks: tuple[Any, ...]
    """Metadata of `Annotated`, which pydantic separates from the type."""
    optional: bool


def _arguments(tool: BaseTool, functions: Sequence[Callable[..., Any]]) -> Iterator[_Argument]:
    for function in functions:
        hints = annotations_of(function)
        for name, parameter in inspect.signature(function).parameters.items():
            optional = parameter.default is not parameter.empty or parameter.kind in (
                parameter.VAR_POSITIONAL,
                parameter.VAR_KEYWORD,
            )
            yield _Argument(name, hints.get(name, parameter.empty), (), optional)
    schema = tool.args_schema
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        for name, declared in schema.model_fields.items():
            optional = not declared.is_required()
            yield _Argument(name, declared.annotation, tuple(declared.metadata), optional)


def annotations_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the annotations of a function, unresolved if their names cannot be found."""
    try:
        return get_type_hints(function, include_extras=True)
    except Exception:  # Names that exist for type checkers only.
        return dict(getattr(function, "__annotations__", {}))


def _marks_of(argument: _Argument) -> Iterator[tuple[str, str | None]]:
    """Yield the kinds of injection for which an argument is marked, each with its state key."""
    if argument.name == _RUNTIME and argument.annotation is inspect.Parameter.empty:
        yield "runtime", None  # As in LangGraph, the name is enough.
    graph: Any = sys.modules.get("langgraph.prebuilt")  # Not imported: no tool uses its markers.
    kinds: tuple[tuple[str, Any], ...] = (
        ("call_id", InjectedToolCallId),
        ("runtime", getattr(graph, "ToolRuntime", ())),
        ("state", getattr(graph, "InjectedState", ())),
        ("store", getattr(graph, "InjectedStore", ())),
        ("other", InjectedToolArg),
    )
    for part in (*_parts(argument.annotation), *argument.marks):
        kind: Any = part if isinstance(part, type) else type(part)
        if part is RunnableConfig:
            yield "config", None
        elif isinstance(get_origin(part), type):
            kind = get_origin(part)
        name = next((name for name, known in kinds if issubclass(kind, known)), None)
        if name:
            yield name, getattr(part, "field", None) if name == "state" else None


def _parts(annotation: Any) -> Iterator[Any]:
    """Yield the options of a union, and the type and metadata of `Annotated`."""
    origin = get_origin(annotation)
    if origin in (Annotated, Union, UnionType):
        for part in get_args(annotation):
            yield from _parts(part)
    else:
        yield annotation


def _why_not(kind: str, key: str | None, optional: bool, forms: Sequence[_Argument]) -> str:
    """Return why the argument cannot be injected, empty if it can."""
    none = optional or any(type(None) in _parts(form.annotation) for form in forms)
    if kind == "store" and not none:
        return "wants LangGraph's store, but a turn has none: allow None"
    if kind == "state" and key is not None and key not in VoiceState.__annotations__ and not optional:
        return f"wants '{key}' of the state, which has no such key"
    if kind == "other" and not optional:
        return "is never injected: give it a default, or use current_call() instead"
    return ""
