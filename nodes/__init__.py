"""The five steps of a turn, each in the file of its name, and what they need."""

from typing import TYPE_CHECKING

from ..state.lazy_names import lazy_names

if TYPE_CHECKING:
    from .context import CallContext, Context
    from .tools.registry import ToolCallInfo, current_call, voice_tool
    from .turn.events import Event, Speech, ToolFinished, ToolRequested, ToolStarted, TurnFailed, TurnFinished
    from .turn.limits import TurnLimits

__all__ = [
    "CallContext",
    "Context",
    "Event",
    "Speech",
    "ToolCallInfo",
    "ToolFinished",
    "ToolRequested",
    "ToolStarted",
    "TurnFailed",
    "TurnFinished",
    "TurnLimits",
    "current_call",
    "voice_tool",
]

_HOMES = {
    "CallContext": "context",
    "Context": "context",
    "Event": "turn.events",
    "Speech": "turn.events",
    "ToolCallInfo": "tools.registry",
    "ToolFinished": "turn.events",
    "ToolRequested": "turn.events",
    "ToolStarted": "turn.events",
    "TurnFailed": "turn.events",
    "TurnFinished": "turn.events",
    "TurnLimits": "turn.limits",
    "current_call": "tools.registry",
    "voice_tool": "tools.registry",
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
