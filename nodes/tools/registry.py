"""A tool in a turn: its options, its two descriptions for the model, and the current call."""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from langchain_core.tools import BaseTool

from ...state.agents.actors import Actor
from .agent_memory import Memory
from .injection import Injections
from .results.safe_text import safe_text
from .schemas.schema import describe_tool
from .schemas.schema_keywords import Schema

_OPTIONS = "voice_tool_options"
_T = TypeVar("_T", bound=Callable[..., Any] | BaseTool)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOptions:
    """Options of a tool.

    `side_effects`: it changes something outside, so it is never cancelled and never run twice. `idempotent`:
    running it again with the same tool-call id is harmless, so it may be repeated after a crash. `timeout`:
    its maximum run time in seconds, `None` for the configured default.
    """

    side_effects: bool = False
    idempotent: bool = False
    timeout: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallInfo:
    """Information for a running tool about its call; `tool_call_id` is the idempotency key.

    `memory` is that of the calling agent, `recall` searches its conversations (query, minutes ago from and
    to); both are `None` if the tool does not run in a turn.
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
    """Return the call of the running tool.

    Raises `LookupError` outside a tool.
    """
    return _running_call.get()


def set_current_call(info: ToolCallInfo) -> None:
    """Set what `current_call` returns in this task and in threads that it starts."""
    _running_call.set(info)


def voice_tool(
    *, side_effects: bool = False, idempotent: bool = False, timeout: float | None = None
) -> Callable[[_T], _T]:
    """Mark a function or a LangChain tool as a tool with these options (see `ToolOptions`).

    ::

    @voice_tool(side_effects=True, timeout=20)
    async def book_table(guests: int) -> str:
        "Book a table for a number of guests."

    A tool returns text for the model, or data that becomes JSON. LangGraph's `Command`, generators and
    `interrupt()` are not supported: they are refused when the tool is registered if they can be detected;
    otherwise the tool fails, and the log says why.
    """

    def mark(function: Any) -> Any:
        options = ToolOptions(side_effects=side_effects, idempotent=idempotent, timeout=timeout)
        if isinstance(function, BaseTool):
            function.metadata = {**(function.metadata or {}), **asdict(options)}
        else:
            setattr(function, _OPTIONS, options)
        return function

    return mark


@dataclass(frozen=True, eq=False, kw_only=True)
class VoiceTool:
    """A LangChain tool with its voice options and its description for the model, made once."""

    tool: BaseTool
    """The tool as its author gave it."""
    runner: BaseTool
    """The tool made safe to run in a turn."""
    options: ToolOptions
    offered: str
    """The legal name under which the model calls it."""
    parameters: Schema
    """The JSON schema of the model's arguments, without the preamble."""
    definitions: dict[str, Schema] = field(default_factory=dict[str, Schema])
    """The recursive parts of `parameters`, by name."""
    injections: Injections = field(default_factory=Injections)
    """The injected arguments."""

    @property
    def name(self) -> str:
        """Its own name, shown in events, records and logs."""
        return safe_text(self.tool.name)

    @property
    def strict(self) -> bool:
        """True if OpenAI's strict form can express the tool's arguments."""
        return self._strict_form is not None

    def describe(self, strict: bool) -> dict[str, Any]:
        """Return the cached description in OpenAI's format; strict only if strict form can express it.

        Some providers refuse a request whose tools differ in `strict`: request it only if all are `strict`.
        """
        return (self._strict_form if strict else None) or self._plain_form

    @cached_property
    def _strict_form(self) -> dict[str, Any] | None:
        return self._described(strict=True)

    @cached_property
    def _plain_form(self) -> dict[str, Any]:
        plain = self._described(strict=False)
        assert plain is not None
        return plain

    def _described(self, *, strict: bool) -> dict[str, Any] | None:
        return describe_tool(
            self.offered, self.tool.description, self.parameters, self.definitions, strict=strict
        )


def options_of(tool: BaseTool) -> ToolOptions:
    """Return the options set on the tool or its function by `voice_tool`."""
    for function in (getattr(tool, "coroutine", None), getattr(tool, "func", None)):
        if hasattr(function, _OPTIONS):
            return getattr(function, _OPTIONS)
    known = {key: value for key, value in (tool.metadata or {}).items() if key in ToolOptions.__slots__}
    return ToolOptions(**known)
