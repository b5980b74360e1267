"""The tools of a process: LangChain tools or plain typed functions, by object, `module:function` or name."""

import importlib
import inspect
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, TypeVar

from langchain_core.tools import BaseTool, StructuredTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from ...state.actors import Actor
from ...state.errors import InvalidSetting
from .agent_memory import Memory
from .schema import describe_tool

ToolSource = BaseTool | Callable[..., Any] | str

BUILT_IN = {"memory_append": ".memory", "memory_replace": ".memory", "archive": ".memory"}
"""Tools that an agent may name without a path, and their modules in this package."""

_OPTIONS = "voice_tool_options"
_T = TypeVar("_T", bound=Callable[..., Any] | BaseTool)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOptions:
    """How a tool is treated.

    `side_effects`: it changes something outside, so it is never cancelled half-way and never run twice.
    `idempotent`: running it again with the same tool-call id does no harm, so a crash may repeat it.
    `timeout`: its longest run in seconds, `None` for the configured default.
    """

    side_effects: bool = False
    idempotent: bool = False
    timeout: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallInfo:
    """What a running tool can know of its call; `tool_call_id` is the idempotency key.

    `memory` is that of the calling agent, `recall` searches what was said with it (query, minutes ago from
    and to); both are `None` when the tool does not run in a turn.
    """

    tool_call_id: str
    thread_id: str
    agent_id: str
    agent_name: str
    time_zone: str
    actor: Actor
    memory: Memory | None = None
    recall: Callable[[str, int | None, int | None], Awaitable[str]] | None = None


_running_call: ContextVar[ToolCallInfo] = ContextVar("voicegraph_tool_call")


def current_call() -> ToolCallInfo:
    """Return the call that the running tool serves.

    Raises `LookupError` outside a tool.
    """
    return _running_call.get()


def set_current_call(info: ToolCallInfo) -> None:
    """Make `info` what `current_call` returns in this task and the threads that it starts."""
    _running_call.set(info)


def voice_tool(
    *, side_effects: bool = False, idempotent: bool = False, timeout: float | None = None
) -> Callable[[_T], _T]:
    """Mark a function or a LangChain tool as a tool with these options (see `ToolOptions`).

    ::

    @voice_tool(side_effects=True, timeout=20)
    async def book_table(guests: int) -> str:
        "Book a table for so many guests."
    """

    def mark(function: Any) -> Any:
        options = ToolOptions(side_effects=side_effects, idempotent=idempotent, timeout=timeout)
        if isinstance(function, BaseTool):
            function.metadata = {**(function.metadata or {}), **asdict(options)}
        else:
            setattr(function, _OPTIONS, options)
        return function

    return mark


@dataclass(frozen=True)
class VoiceTool:
    """A LangChain tool with its voice options and its description for the model, made once."""

    tool: BaseTool
    options: ToolOptions

    @property
    def name(self) -> str:
        """The name that the model calls it by."""
        return self.tool.name

    @property
    def strict(self) -> bool:
        """True when OpenAI's strict form can express the tool's arguments."""
        return self._strict_form is not None

    def describe(self, strict: bool) -> dict[str, Any]:
        """Return the tool in OpenAI's form, made once; strict only where strict form can express it.

        Some providers refuse a request whose tools differ in `strict`: ask for it only when all are `strict`.
        """
        return (self._strict_form if strict else None) or self._plain_form

    @property
    def schema(self) -> dict[str, Any]:
        """The tool in OpenAI's form, strict where possible."""
        return self.describe(strict=True)

    @cached_property
    def _strict_form(self) -> dict[str, Any] | None:
        return describe_tool(self.tool, strict=True)

    @cached_property
    def _plain_form(self) -> dict[str, Any]:
        plain = describe_tool(self.tool, strict=False)
        assert plain is not None
        return plain

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """The JSON schema of the arguments that the tool itself takes."""
        return convert_to_openai_tool(self.tool)["function"].get("parameters") or {}


class Toolbox:
    """All tools of a process. Some are offered to every agent, others only to agents that name them."""

    def __init__(self, tools: Iterable[ToolSource] = ()) -> None:
        self._common = [load_tool(tool) for tool in tools]
        self._loaded: dict[str, VoiceTool] = {}
        self._sets: dict[tuple[str, ...], dict[str, VoiceTool]] = {}

    def of_agent(self, names: Sequence[str]) -> dict[str, VoiceTool]:
        """Return the tools of an agent by name: the common ones, then those of its own list.

        Raises `InvalidSetting` for a path that leads to no tool, or for two tools of one name.
        """
        key = tuple(names)
        if key not in self._sets:
            tools: dict[str, VoiceTool] = {}
            for tool in [*self._common, *(self._load(name) for name in key)]:
                if tools.setdefault(tool.name, tool).tool is not tool.tool:
                    raise InvalidSetting(f"two tools are called '{tool.name}': rename one of them")
            self._sets[key] = tools
        return self._sets[key]

    def _load(self, path: str) -> VoiceTool:
        if path not in self._loaded:
            self._loaded[path] = load_tool(path)
        return self._loaded[path]


def load_tool(source: ToolSource) -> VoiceTool:
    """Return the tool of a LangChain tool, a typed function, a path `package.module:function` or a name.

    A name is that of a built-in tool. Raises `InvalidSetting` when there is none.
    """
    if isinstance(source, str):
        source = _import(source)
    try:
        tool = source if isinstance(source, BaseTool) else _from_function(source)
        loaded = VoiceTool(tool, _options_of(tool))
        _ = loaded.schema  # What cannot be described is found now, not in a call.
    except InvalidSetting:
        raise
    except Exception as error:
        name = getattr(source, "name", None) or getattr(source, "__name__", "?")
        raise InvalidSetting(f"the arguments of the tool '{name}' have no JSON schema") from error
    return loaded


def _from_function(source: Any) -> BaseTool:
    if not inspect.isroutine(source):
        raise InvalidSetting(f"{type(source).__name__} is not a tool: give a function or a LangChain tool")
    if not inspect.getdoc(source):
        raise InvalidSetting(f"the tool '{source.__name__}' needs a docstring: the model reads it")
    if inspect.iscoroutinefunction(source):
        return StructuredTool.from_function(coroutine=source)
    return StructuredTool.from_function(source)


def _options_of(tool: BaseTool) -> ToolOptions:
    for function in (getattr(tool, "coroutine", None), getattr(tool, "func", None)):
        if hasattr(function, _OPTIONS):
            return getattr(function, _OPTIONS)
    known = {key: value for key, value in (tool.metadata or {}).items() if key in ToolOptions.__slots__}
    return ToolOptions(**known)


def _import(path: str) -> Any:
    if path in BUILT_IN:
        return getattr(importlib.import_module(BUILT_IN[path], __package__), path)
    module_name, _, attribute = path.partition(":")
    if not (module_name and attribute):
        names = ", ".join(BUILT_IN)
        raise InvalidSetting(f"'{path}' is not a tool: write package.module:function or one of {names}")
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InvalidSetting(f"the tool '{path}' cannot be imported: {reason}") from error
    try:
        return getattr(module, attribute)
    except AttributeError as error:
        raise InvalidSetting(f"the module '{module_name}' has no '{attribute}'") from error
