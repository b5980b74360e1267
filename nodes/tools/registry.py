"""What a tool is to a turn: its options, its two forms for the model, and the call that it serves."""

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

    A tool returns what the model is to read: text, or data that becomes JSON. LangGraph's `Command`,
    generators and `interrupt()` are not supported. What can be seen of them is refused when the tool is
    registered; otherwise the tool fails, and the log says why.
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
    """As its author gave it."""
    runner: BaseTool
    """The same, safe to be run in a turn."""
    options: ToolOptions
    offered: str
    """The name that the model calls it by, one that providers take."""
    parameters: Schema
    """The JSON schema of the arguments that a model gives, without the preamble."""
    definitions: dict[str, Schema] = field(default_factory=dict[str, Schema])
    """The recursive parts of `parameters`, by name."""
    injections: Injections = field(default_factory=Injections)
    """The arguments that the process gives."""

    @property
    def name(self) -> str:
        """The name that its author gave it: events, records and logs show it."""
        return safe_text(self.tool.name)

    @property
    def strict(self) -> bool:
        """True when OpenAI's strict form can express the tool's arguments."""
        return self._strict_form is not None

    def describe(self, strict: bool) -> dict[str, Any]:
        """Return the tool in OpenAI's form, made once; strict only where strict form can express it.

        Some providers refuse a request whose tools differ in `strict`: ask for it only when all are `strict`.
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
    """Return the options that `voice_tool` marked the tool or its function with."""
    for function in (getattr(tool, "coroutine", None), getattr(tool, "func", None)):
        if hasattr(function, _OPTIONS):
            return getattr(function, _OPTIONS)
    known = {key: value for key, value in (tool.metadata or {}).items() if key in ToolOptions.__slots__}
    return ToolOptions(**known)
